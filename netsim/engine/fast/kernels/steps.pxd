from netsim.engine.fast.kernels.moments cimport Moments, Network

cdef int BACKWARD, FORWARD, WAITING, UPDATE

cdef class Steps(Moments):
    cdef Py_ssize_t joining, buckets, layers, iterations, rows, overlap, in_turn, computing
    cdef int[::1] first_of, bucket_of, iteration, about, phase, stage, is_in, buckets_left
    cdef double[::1] forward, gaps, update, forward_of, update_of, asked, offered, done, start, computed, exchanged
    cdef double[::1] exchanging, waited, end, forward_end, update_end
    cdef void _begin_exchange(self, Py_ssize_t host) noexcept
    cdef void _offer(self, Py_ssize_t host, Py_ssize_t bucket) noexcept
    cdef void _has(self, Py_ssize_t host, Py_ssize_t bucket) noexcept
    cdef Py_ssize_t _row(self, Py_ssize_t host, Py_ssize_t iteration) noexcept
    cdef void _begin(self, Py_ssize_t host, double start) noexcept
    cdef void _backward(self, Py_ssize_t host, double now) noexcept
    cdef void _compute_until(self, Py_ssize_t host, double when) noexcept
    cdef void _goes_on(self, Py_ssize_t host) noexcept
    cdef void _pass_back(self, Py_ssize_t host) noexcept
    cdef void _passed_back(self, Py_ssize_t host) noexcept
    cdef void _next_layer(self, Py_ssize_t host) noexcept
    cdef void _reach(self, Py_ssize_t host) noexcept
    cdef void _take_over(self, Py_ssize_t host) noexcept
    cdef void _updated(self, Py_ssize_t host) noexcept
    cdef void _pass(self, Py_ssize_t host) noexcept
    cdef void _passed(self, Py_ssize_t host) noexcept
    cdef void _note_layer(self, Py_ssize_t host, Py_ssize_t iteration, double[::1] ends) noexcept
    cdef void _end_step(self, Py_ssize_t host) noexcept
    cdef double _under_way(self, Py_ssize_t host) noexcept
    cdef void _end(self, Py_ssize_t host, double now) noexcept
