cimport cython

cdef int DONE, TIE, CROWDED, STUCK, GOING
cdef int NOTHING, OTHER_END, LATENCY, LINKS, ADDING
cdef double NEAR

cdef class Agenda:
    cdef public Py_ssize_t size
    cdef double[::1] at
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
    cdef int[::1] crowd, head, first, links, after, ahead, owner, message, queue, last, behind
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
    cdef bint _narrower(self, Py_ssize_t one, Py_ssize_t other) noexcept
    cdef void _freeze(self, Py_ssize_t link, double level) noexcept

cdef class Run:
    cdef Agenda agenda
    cdef Fair fair
    cdef double reduction_rate
    cdef public double duration
    cdef public Py_ssize_t records
    cdef Py_ssize_t hosts, transfers, lanes, owns, slots, streams, buckets, iterations, rows, flows, messages, overlap
    cdef Py_ssize_t record_from, record_to, begun, trouble, unfinished
    cdef int[::1] src, dst, add, count, flow, step_of, step_first, in_step, slices, state, position, missing
    cdef int[::1] hosts_left, lanes_left, adder_part, iteration, bucket, streams_left, opening
    cdef long long[::1] play, size_of, record
    cdef double[::1] wait, piece, uneven, sent, adder_free, adder_last, forward, gaps, update, offered, done
    cdef double[::1] start, computed, exchanged, exchanging, end, record_times
    cpdef Py_ssize_t run(self, Py_ssize_t moments) except -1
    cdef void _happens(self, Py_ssize_t thing) noexcept
    cdef void _begin(self, Py_ssize_t host, double start) noexcept
    cdef void _join(self, Py_ssize_t host, Py_ssize_t stream) noexcept
    cdef void _take_part(self, Py_ssize_t part) noexcept
    cdef void _send(self, Py_ssize_t message, Py_ssize_t lane_of_slot) noexcept
    cdef void _enter(self, Py_ssize_t message) noexcept
    cdef void _arrived(self, Py_ssize_t message) noexcept
    cdef void _note(self, Py_ssize_t message) noexcept
    cdef void _tick(self, Py_ssize_t part) noexcept
    cdef void _through(self, Py_ssize_t slot, Py_ssize_t host) noexcept
    cdef void _end_step(self, Py_ssize_t host) noexcept
