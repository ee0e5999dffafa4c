cimport cython

from netsim.engine.fast.kernels.moments cimport Agenda, Network

cdef int ANY

@cython.final
cdef class Turns:
    cdef Network network
    cdef Agenda waiting
    cdef Py_ssize_t workers, wanted, decided, taken, iteration
    cdef double freed
    cdef int[::1] offers, rank
    cdef long long[::1] turns
    cdef double[::1] ready_at
    cdef void offer(self, Py_ssize_t play) noexcept
    cdef void ask(self, Py_ssize_t number) noexcept
    cdef bint decides(self) noexcept
