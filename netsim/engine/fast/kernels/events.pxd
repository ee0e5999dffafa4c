cimport cython

from netsim.engine.fast.kernels.moments cimport Network
from netsim.engine.fast.kernels.streams cimport Streams

cdef int NOTHING, OTHER_END, LATENCY, LINKS, ADDING
cdef int SAID, AWAITED
cdef int SLICES, ADDS, SPREADS

@cython.final
cdef class Run(Streams):
    cdef double reduction_rate
    cdef public Py_ssize_t additions
    cdef Py_ssize_t transfers, lanes, owns, ways, announced
    cdef int[::1] src, dst, add, count, flow, step_of, step_first, in_step, slices, state, position, missing
    cdef int[::1] lanes_left, adder_part, local, priority, adding, inbox, behind
    cdef int[::1] takes, most, at_a_time, leg, taken_up, oldest, units, adding_steps, word, word_flow
    cdef long long[::1] size_of, record, orders
    cdef double[::1] wait, word_wait, piece, uneven, sent, adder_free, adder_last, record_times, added, applied
    cdef void _take_part(self, Py_ssize_t part) noexcept
    cdef void _meet(self, Py_ssize_t message) noexcept
    cdef void _come_to(self, Py_ssize_t message, Py_ssize_t host) noexcept
    cdef void _set_out(self, Py_ssize_t message, double wait) noexcept
    cdef Py_ssize_t _bucket(self, Py_ssize_t message) noexcept
    cdef Py_ssize_t _transfer(self, Py_ssize_t message) noexcept
    cdef void _take_up(self, Py_ssize_t slot, Py_ssize_t host) noexcept
    cdef Py_ssize_t _steps(self, Py_ssize_t host, Py_ssize_t takes) noexcept
    cdef void _go_further(self, Py_ssize_t slot, Py_ssize_t host) noexcept
    cdef void _pass_over_done(self, Py_ssize_t slot, Py_ssize_t host, Py_ssize_t lanes) noexcept
    cdef void _end_leg(self, Py_ssize_t slot, Py_ssize_t host) noexcept
    cdef bint _opens(self, Py_ssize_t slot, Py_ssize_t lane, Py_ssize_t host) noexcept
    cdef void _came(self, Py_ssize_t message) noexcept
    cdef void _has_added(self, Py_ssize_t message) noexcept
    cdef void _put(self, Py_ssize_t host, Py_ssize_t message) noexcept
    cdef void _takes_next(self, Py_ssize_t host) noexcept
    cdef void _adds(self, Py_ssize_t host, Py_ssize_t message) noexcept
    cdef void _send(self, Py_ssize_t message) noexcept
    cdef void _enter(self, Py_ssize_t message) noexcept
    cdef Py_ssize_t _order(self, Py_ssize_t message) noexcept
    cdef void _note(self, Py_ssize_t message) noexcept
    cdef void _tick(self, Py_ssize_t part) noexcept
    cdef void _through(self, Py_ssize_t slot, Py_ssize_t host) noexcept
