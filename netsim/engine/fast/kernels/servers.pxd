cimport cython

from netsim.engine.fast.kernels.moments cimport Moments, Network

cdef int LEAD, WAITING, UPDATE

@cython.final
cdef class Run(Moments):
    cdef double bound, granted, took_at
    cdef public Py_ssize_t version
    cdef Py_ssize_t workers, servers, buckets, lanes, overlap, rows, columns, tickets, messages, keys, took_of
    cdef int[::1] flow, local, slices, phase, iteration, member, left, buckets_left, seen, clocks, waits, idle
    cdef int[::1] item, first, last, next
    cdef long long[::1] held, answered, updates, record
    cdef double[::1] wait, piece, forward, gaps, update, offered, done, sent, start, computed, exchanged, exchanging, end
    cdef double[::1] held_back, dealt_with, released, update_times, record_times
    cdef void _soon(self, Py_ssize_t thing) noexcept
    cdef void _begin(self, Py_ssize_t worker) noexcept
    cdef Py_ssize_t _row(self, Py_ssize_t worker) noexcept
    cdef void _computes(self, Py_ssize_t worker, double seconds) noexcept
    cdef void _goes_on(self, Py_ssize_t worker) noexcept
    cdef void _has_computed(self, Py_ssize_t worker) noexcept
    cdef void _offer(self, Py_ssize_t worker, Py_ssize_t bucket) noexcept
    cdef void _is_in(self, Py_ssize_t worker, Py_ssize_t bucket) noexcept
    cdef void _has_all(self, Py_ssize_t worker) noexcept
    cdef void _all_in(self, Py_ssize_t worker) noexcept
    cdef void _end_step(self, Py_ssize_t worker) noexcept
    cdef void _leave(self, Py_ssize_t worker) noexcept
    cdef void _send(self, Py_ssize_t key, Py_ssize_t server, Py_ssize_t worker, Py_ssize_t back, Py_ssize_t order) noexcept
    cdef Py_ssize_t _transfer(self, Py_ssize_t message) noexcept
    cdef Py_ssize_t _key(self, Py_ssize_t message) noexcept
    cdef void _enter(self, Py_ssize_t message, Py_ssize_t order) noexcept
    cdef void _came(self, Py_ssize_t message) noexcept
    cdef void _put(self, Py_ssize_t server, Py_ssize_t item) noexcept
    cdef void _takes_up(self, Py_ssize_t server, Py_ssize_t item) noexcept
    cdef void _serve(self, Py_ssize_t server) noexcept
    cdef void _take(self, Py_ssize_t key, Py_ssize_t worker) noexcept
    cdef void _answer(self, Py_ssize_t key, Py_ssize_t server) noexcept
    cdef void _give_back(self, Py_ssize_t key, Py_ssize_t server, Py_ssize_t worker) noexcept
