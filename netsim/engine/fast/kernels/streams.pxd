from netsim.engine.fast.kernels.steps cimport Steps
from netsim.engine.fast.kernels.turns cimport Turns

cdef class Streams(Steps):
    cdef Turns turns
    cdef Py_ssize_t hosts, slots, streams, messages
    cdef int[::1] hosts_left, bucket, asks
    cdef long long[::1] play, turn
    cdef void _join_later(self, Py_ssize_t host, Py_ssize_t stream, double when) noexcept
    cdef void _ask(self, Py_ssize_t host, Py_ssize_t stream) noexcept
    cdef void _decide(self) noexcept
    cdef void _follow(self, Py_ssize_t host, Py_ssize_t stream) noexcept
    cdef void _join(self, Py_ssize_t host, Py_ssize_t stream) noexcept
    cdef void _come(self, Py_ssize_t slot, Py_ssize_t host, Py_ssize_t bucket) noexcept
    cdef void _is_done(self, Py_ssize_t slot, Py_ssize_t host, Py_ssize_t bucket) noexcept
    cdef void _go_on(self, Py_ssize_t host, Py_ssize_t stream, Py_ssize_t bucket) noexcept
