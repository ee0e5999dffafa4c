from netsim.engine.fast.kernels.moments cimport Agenda, Network

cdef double SAME

cdef class Fair(Network):
    cdef public Py_ssize_t interruptions
    cdef Py_ssize_t flows, changing, last_change
    cdef double share
    cdef double[::1] whole, met, busy_since, rate, remaining, since, entered, left, level, alone
    cdef int[::1] returns, crowd, head, tail, after, ahead, owner, message, queue, last, behind, opening
    cdef int[::1] changed, is_changed, many, filling, full, reached, seen, bottleneck, narrowest
    cdef void _start(self, Py_ssize_t flow, Py_ssize_t message) noexcept
    cdef void _insert(self, Py_ssize_t flow, Py_ssize_t message) noexcept
    cdef void _take_up(self, Py_ssize_t flow, Py_ssize_t message) noexcept
    cdef void _give(self, Py_ssize_t flow, double rate, Py_ssize_t bottleneck) noexcept
    cdef void _account(self, Py_ssize_t flow) noexcept
    cdef void _stop(self, Py_ssize_t flow) noexcept
    cdef void _settle_later(self, Py_ssize_t flow) noexcept
    cpdef void change_at(self, Py_ssize_t link, double share, double when, Py_ssize_t last) noexcept
    cdef void _change(self) noexcept
    cdef void _interrupted(self, Py_ssize_t link, Py_ssize_t flow, Py_ssize_t message) noexcept
    cdef void _note(self, Py_ssize_t link) noexcept
    cdef void _reach(self) noexcept
    cdef void _fill(self) noexcept
    cdef void _freeze(self, Py_ssize_t link, double level) noexcept
