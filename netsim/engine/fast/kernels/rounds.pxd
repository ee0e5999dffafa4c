cpdef Py_ssize_t play(
    Py_ssize_t times,
    Py_ssize_t lanes,
    Py_ssize_t before,
    const int[::1] src,
    const int[::1] dst,
    const int[::1] into,
    const int[::1] onward,
    const double[::1] wait,
    const double[::1] word,
    const double[::1] lasts,
    const double[::1] adding,
    const double[::1] others,
    double[::1] own,
    double[::1] entered,
    double[::1] ready,
    double[::1] adder_free,
    double[::1] adder_last,
    double[::1] start,
    double[::1] end,
    double[::1] under_way,
) except -1

cdef void again(
    Py_ssize_t times,
    const int[::1] into,
    const int[::1] onward,
    const double[::1] wait,
    const double[::1] lasts,
    double[::1] own,
    double[::1] entered,
    double[::1] start,
    double[::1] under_way,
) noexcept

cdef double later(double one, double other) noexcept
