cimport cython

from netsim.engine.fast.kernels.moments cimport Agenda, Network

cdef int HEAD, JOINS, TOLD
cdef double INFINITY

@cython.final
cdef class Queues(Network):
    cdef Py_ssize_t cuts_through, hops, phase, of_phase, next
    cdef double moment
    cdef object faults
    cdef double[::1] latency, tail, free, ahead, even, came
    cdef int[::1] change, source, flow, left, state, behind, waiting, end, last_source, turns
    cdef long long[::1] order, last_order, phase_of
    cdef Py_ssize_t _place(self, Py_ssize_t thing) noexcept
    cdef void _head(self, Py_ssize_t thing, double tail) noexcept
    cdef bint _goes_on(self, Py_ssize_t thing, Py_ssize_t place) noexcept
    cdef void _tell(self, Py_ssize_t thing, double head, double tail) noexcept
    cdef void _touch(self, Py_ssize_t link) noexcept
    cdef void _join(self, Py_ssize_t thing) noexcept
    cdef void _insert(self, Py_ssize_t link, Py_ssize_t thing) noexcept
    cdef bint _precedes(self, Py_ssize_t thing, Py_ssize_t other) noexcept
    cdef bint _before(self, Py_ssize_t thing, Py_ssize_t source, long long order) noexcept
    cdef void _has_passed(self, Py_ssize_t link, Py_ssize_t thing, double start, double passed) noexcept
    @cython.locals(begin=double, end=double, rate=double)
    cdef double _passes_changing(self, Py_ssize_t link, Py_ssize_t message, double start) noexcept
    cdef double _passes_ahead(self, Py_ssize_t link, double start, double lasts, double nbytes) noexcept
    cdef void _serve(self, Py_ssize_t link, Py_ssize_t thing) noexcept
    cdef void _all_have_passed(self, Py_ssize_t message) noexcept
