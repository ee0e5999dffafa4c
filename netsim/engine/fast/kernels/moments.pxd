cimport cython

cdef int DONE, TIE, FULL, STUCK, GOING, ASKS
cdef double NEAR

@cython.final
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

cdef class Network:
    cdef Agenda agenda
    cdef double now
    cdef public double watched_from, bin, until
    cdef public Py_ssize_t things, blurred, asks, coming
    cdef Py_ssize_t ordered, bins, changes, tied, watches, disturbed, hopes
    cdef double[::1] rates, busy, waited, nbytes, begin, meter
    cdef int[::1] first, links, priority
    cdef bint near(self, double then) noexcept
    cdef bint unsure(self, double then) noexcept
    cdef void enter(self, Py_ssize_t flow, Py_ssize_t message, Py_ssize_t opening, Py_ssize_t order) noexcept
    cdef Py_ssize_t happens(self, Py_ssize_t thing) noexcept
    cdef void settle(self) noexcept
    cdef void watch(self, double start) noexcept
    @cython.locals(first=Py_ssize_t, last=Py_ssize_t)
    cdef void _passed(self, Py_ssize_t link, double begin, double end, double rate) noexcept
    @cython.locals(place=Py_ssize_t)
    cdef void _passed_at_once(self, Py_ssize_t link, double when, double nbytes) noexcept
    cdef void _open_bins(self, double end) noexcept
    cdef void _fold(self) noexcept

cdef class Moments:
    cdef Agenda agenda
    cdef Network network
    cdef public double duration
    cdef public Py_ssize_t records
    cdef Py_ssize_t things, unfinished, record_from, record_to, begun, trouble
    cpdef Py_ssize_t run(self, Py_ssize_t moments) except -1
    cdef bint _is_over(self) noexcept
    cdef bint _more(self) noexcept
    cdef void _begin_all(self) noexcept
    cdef void _happens(self, Py_ssize_t thing) noexcept
    cdef void _arrived(self, Py_ssize_t message) noexcept
    cdef void _no_room(self) noexcept
