cimport cython

from netsim.engine.fast.kernels.moments cimport Agenda, Network
from netsim.engine.fast.kernels.sharing cimport Fair

cdef double ROOM

@cython.final
cdef class Hub:
    cdef Agenda tags
    cdef Py_ssize_t next
    cdef double share, limit, served, since
    cdef void advance(self, double now) noexcept

cdef class Hubs(Fair):
    cdef list hubs
    cdef Py_ssize_t many_flows
    cdef int[::1] hub, active
    @cython.locals(hub=Hub)
    cdef void _start(self, Py_ssize_t flow, Py_ssize_t message) noexcept
    cdef Py_ssize_t _center(self, Py_ssize_t flow) noexcept
    @cython.locals(hub=Hub)
    cdef void _limit(self, Py_ssize_t flow) noexcept
    cdef void _settle_later(self, Py_ssize_t flow) noexcept
    cdef void _account_of(self, Hub hub, Py_ssize_t center, Py_ssize_t flow) noexcept
    @cython.locals(hub=Hub)
    cdef Py_ssize_t happens(self, Py_ssize_t flow) noexcept
    cdef void _plan(self, Hub hub) noexcept
    cdef void settle(self) noexcept
    @cython.locals(hub=Hub)
    cdef bint _shares(self, Py_ssize_t link) noexcept
    @cython.locals(hub=Hub)
    cdef void _dissolve(self, Py_ssize_t center) noexcept
    cdef bint _are_hubs(self) noexcept
    @cython.locals(hub=Hub)
    cdef void _make_hubs(self) noexcept
    cdef void watch(self, double start) noexcept
