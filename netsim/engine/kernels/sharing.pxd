cimport cython

cdef double SAME

cdef class Agenda:
    cdef public Py_ssize_t size
    cdef long long turns
    cdef double[::1] at
    cdef long long[::1] turn
    cdef int[::1] heap, place
    cdef void put(self, Py_ssize_t thing, double time) noexcept
    cdef void drop(self, Py_ssize_t thing) noexcept
    cdef bint _before(self, Py_ssize_t one, Py_ssize_t other) noexcept
    cdef void _up(self, Py_ssize_t place) noexcept
    cdef void _down(self, Py_ssize_t place) noexcept

cdef class Fair:
    cdef Agenda agenda
    cdef double now
    cdef public double watched_from, bin
    cdef Py_ssize_t changes, flows, bins, watches
    cdef double[::1] rates, busy, busy_since, rate, remaining, since, entered, nbytes, begin, left, level, alone
    cdef double[::1] waited, meter
    cdef int[::1] crowd, head, tail, first, links, after, ahead, owner, message, queue, last, behind
    cdef int[::1] changed, is_changed, many, filling, full, reached, seen, bottleneck, narrowest
    cdef void enter(self, Py_ssize_t flow, Py_ssize_t message) noexcept
    cdef void _start(self, Py_ssize_t flow, Py_ssize_t message) noexcept
    cdef void _take_up(self, Py_ssize_t flow, Py_ssize_t message) noexcept
    cdef void _give(self, Py_ssize_t flow, double rate, Py_ssize_t bottleneck) noexcept
    cdef void _account(self, Py_ssize_t flow) noexcept
    cdef void watch(self, double start) noexcept
    @cython.locals(first=Py_ssize_t, last=Py_ssize_t)
    cdef void _passed(self, Py_ssize_t flow) noexcept
    cdef void _fold(self) noexcept
    cdef Py_ssize_t end(self, Py_ssize_t flow) noexcept
    cdef void _stop(self, Py_ssize_t flow) noexcept
    cdef void _settle_later(self, Py_ssize_t flow) noexcept
    cdef void _note(self, Py_ssize_t link) noexcept
    cdef void settle(self) noexcept
    cdef void _reach(self) noexcept
    cdef void _fill(self) noexcept
    cdef void _freeze(self, Py_ssize_t link, double level) noexcept
