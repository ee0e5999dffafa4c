"""Each format as its programs print it; shortened, labelled, mixed with other output, cut off, and hostile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netsim.errors import ScenarioError
from netsim.logs.base import Log, read, readers

NCCL = """\
# nThread 1 nGpus 4 minBytes 8388608 maxBytes 1073741824 step: 2(factor) warmup iters: 5 iters: 20 agg iters: 1
#
# Using devices
#  Rank  0 Group  0 Pid  37300 on   g100n126 device  0 [0000:05:00] AMD Instinct MI300X
#  Rank  1 Group  0 Pid  37300 on   g100n126 device  1 [0000:33:00] AMD Instinct MI300X
#  Rank  2 Group  0 Pid  37300 on   g100n126 device  2 [0000:53:00] AMD Instinct MI300X
#  Rank  3 Group  0 Pid  37300 on   g100n126 device  3 [0000:65:00] AMD Instinct MI300X
#
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
g100n126:23919:24013 [3] NCCL INFO comm 0x7f5780001ca0 rank 3 nranks 4 cudaDev 1 nvmlDev 1 - Init COMPLETE
           0             0     float     sum      -1     5.70    0.00    0.00      0     5.54    0.00    0.00      0
       32768          8192     float     sum      -1    18.66    1.76    2.63       0    17.95    1.83    3.20       0
     1048576        262144     float     sum      -1    27.76   37.78   56.66       0    27.49   38.15   66.76       0
    67108864      16777216     float     sum      -1   350.40  191.52  287.28     N/A   351.13  191.12  334.46    N/A
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 85.53
"""
OLD_NCCL = """\
# nThread 1 nGpus 1 minBytes 1048576 maxBytes 4194304 step: 1048576(bytes) warmup iters: 5 iters: 20 validation: 1
#   Rank  0 Pid   1320 on ip-172-31-20-228 device  0 [0x00] Tesla V100-SXM2-16GB
#   Rank  1 Pid   2066 on ip-172-31-22-230 device  0 [0x00] Tesla V100-SXM2-16GB
#                                                       out-of-place                       in-place
#       size         count      type   redop     time   algbw   busbw  error     time   algbw   busbw  error
#        (B)    (elements)                       (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
     1048576        262144     float     sum    930.0    1.13    1.13  0e+00    931.0    1.13    1.13  0e+00
     2097152        524288     float     sum   1800.0    1.17    1.17  0e+00   1801.0    1.17    1.17  0e+00
     4194304       1048576     float     sum   3500.0    1.20    1.20  0e+00   3501.0    1.20    1.20  0e+00
"""
OSU_LATENCY = """\
### Running: srun -n2 -N2 -t00:8:00 --exclusive --cpu_bind=none -c2 osu_latency
# OSU MPI Latency Test v5.0
# Size          Latency (us)
0                       1.84
1                       1.85
1024                    2.18
16384                  13.62
4194304               497.37
"""
OSU_BANDWIDTH = """\
# OSU MPI-CUDA Bandwidth Test v7.2
# Send Buffer on DEVICE (D) and Receive Buffer on DEVICE (D)
# Size      Bandwidth (MB/s)
# Datatype: MPI_CHAR.
1                       1.01
4096                  458.77
4194304             87543.13
"""
OSU_ALLREDUCE = """\
mpirun -np 4 --host node1,node2 /opt/osu-micro-benchmarks-7.4/c/mpi/collective/blocking/osu_allreduce -f

# OSU MPI Allreduce Latency Test v7.4
# Datatype: MPI_CHAR.
# Size       Avg Latency(us)   Min Latency(us)   Max Latency(us)  Iterations
4                      28.46             24.80            158.96        1000
1024                   30.41             23.64            127.55        1000
1048576              1929.58            900.31           2135.36         100
"""
BENCH = """\
The average bandwidth of all_reduce over 8 ranks (5 warmups / 20 trials):

| payload |    busbw   |    algbw   |
| ------: | ---------: | ---------: |
|    32KB |   0.35GBps |   0.20GBps |
|     1MB |  10.50GBps |   6.00GBps |
|     4GB | 228.32GBps | 130.47GBps |
"""
AVERAGES = """\
size(MB)   tavg(usec)    tmin(usec)    tmax(usec)  avgbw(GB/sec)  maxbw(GB/sec)  minbw(GB/sec)
0.10      227.7          196.8          692.7          0.77           0.89           0.25
1.00      121.5          116.5          151.2         14.41          15.02          11.57
1.25      115.3          110.6          201.6         18.97          19.78           1.00
"""
JSON = """\
{"operation": "all_gather_into_tensor", "ranks": 8, "size_bytes": 1048576, "seconds": 0.001}
{"operation": "all_gather_into_tensor", "ranks": 8, "size_bytes": 2097152, "seconds": 0.002}
"""
CSV = "size_bytes,round_trip_s\n0,0.0001\n1000,0.0002\n1000000,0.002\n"
ALL = (NCCL, OLD_NCCL, OSU_LATENCY, OSU_BANDWIDTH, OSU_ALLREDUCE, BENCH, AVERAGES, JSON, CSV)


def logs_of(folder: Path, text: str, **options: Any) -> list[Log]:
    file = folder / "log"
    file.write_text(text, encoding="utf-8")
    return read(str(file), **options)


@pytest.mark.parametrize(
    ("text", "format", "what", "ranks", "first"),
    [
        (NCCL, "nccl-tests", "all_reduce", 4, (32768, 18.66e-6)),
        (OLD_NCCL, "nccl-tests", "all_reduce", 2, (1048576, 930e-6)),
        (OSU_LATENCY, "OSU", "one_way", None, (0, 1.84e-6)),
        (OSU_BANDWIDTH, "OSU", "stream", None, (1, 1 / 1.01e6)),
        (OSU_ALLREDUCE, "OSU", "all_reduce", 4, (4, 28.46e-6)),
        (BENCH, "torch.distributed", "all_reduce", 8, (32768, 32768 / 0.2e9)),
        (JSON, "torch.distributed", "all_gather", 8, (1048576, 0.001)),
        (CSV, "ping-pong", "one_way", None, (0, 0.00005)),
    ],
)
def test_a_format_is_found_out_and_read(
    tmp_path: Path, text: str, format: str, what: str, ranks: int | None, first: tuple[float, float]
) -> None:
    (log,) = logs_of(tmp_path, text)
    assert (log.format, log.what, log.ranks, log.unread) == (format, what, ranks, 0)
    assert (log.samples[0].size, log.samples[0].seconds) == pytest.approx(first)
    assert len(log.samples) >= 2


def test_ranks_that_a_log_does_not_say_are_to_be_given(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"--ranks: .* does not say how many ranks took part"):
        logs_of(tmp_path, AVERAGES)
    (log,) = logs_of(tmp_path, AVERAGES, ranks=16)
    assert log.ranks == 16 and log.samples[1].seconds == pytest.approx(121.5e-6)
    with pytest.raises(ScenarioError, match=r"8 is not what .* says, which is 4"):
        logs_of(tmp_path, NCCL, ranks=8)


def test_ranks_follow_from_the_ratio_of_bandwidths_where_they_are_not_listed(tmp_path: Path) -> None:
    short = "\n".join(line for line in NCCL.splitlines() if "Rank" not in line)
    assert logs_of(tmp_path, short)[0].ranks == 4


@pytest.mark.parametrize(
    ("redop", "root", "ratio", "operation"),
    [
        ("none", "-1", 0.75, "all_gather"),
        ("sum", "-1", 0.75, "reduce_scatter"),
        ("none", "0", 1.0, "broadcast"),
        ("sum", "0", 1.0, "reduce"),
    ],
)
def test_columns_tell_a_collective_that_is_not_named(
    tmp_path: Path, redop: str, root: str, ratio: float, operation: str
) -> None:
    lines = [line for line in NCCL.splitlines() if line.startswith("#")]
    for size in (1 << 20, 1 << 22):
        rate = f"{100.0:8.2f}{100.0 * ratio:8.2f}"
        lines.append(f"{size:12d}{size // 4:14d}   float{redop:>8}{root:>8}{size / 1e5:9.2f}{rate}     0")
    assert logs_of(tmp_path, "\n".join(lines))[0].what == operation
    named = [*lines, "# Collective test starting: alltoall_perf"]
    assert logs_of(tmp_path, "\n".join(named))[0].what == "all_to_all"


def test_labels_of_mpirun_and_srun_are_taken_off(tmp_path: Path) -> None:
    plain = logs_of(tmp_path, NCCL)
    for label in ("[1,0]<stdout>:", "0: "):
        assert logs_of(tmp_path, "\n".join(label + line for line in NCCL.splitlines())) == plain


def test_a_line_that_was_cut_off_is_counted_and_left_out(tmp_path: Path) -> None:
    cut = NCCL[: NCCL.index("  350.40") + 8]
    (log,) = logs_of(tmp_path, cut)
    assert (len(log.samples), log.unread) == (2, 1)


def test_a_row_whose_columns_have_grown_together_is_counted_and_left_out(tmp_path: Path) -> None:
    large = (
        " 17179869184    4294967296     float     sum      -1127997.00  134.22  234.89      0 128001.00  134.22  234.88"
    )
    (log,) = logs_of(tmp_path, f"{NCCL}{large}\n")
    assert (len(log.samples), log.unread) == (3, 1)


def test_several_benchmarks_in_one_file_are_several_logs(tmp_path: Path) -> None:
    found = logs_of(tmp_path, OSU_LATENCY + OSU_BANDWIDTH)
    assert [log.what for log in found] == ["one_way", "stream"]


def test_sizes_that_osu_gives_for_each_rank_are_of_the_whole_buffer_here(tmp_path: Path) -> None:
    gathered = OSU_ALLREDUCE.replace("Allreduce", "Allgather")
    (log,) = logs_of(tmp_path, gathered)
    assert log.what == "all_gather" and log.samples[0].size == 16


def test_no_log_is_told_what_was_expected_of_every_format(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        logs_of(tmp_path, "GET / HTTP/1.1\n\n")
    assert all(name in str(caught.value) for name in readers())


def test_results_of_one_rank_alone_are_refused(tmp_path: Path) -> None:
    alone = "\n".join(line for line in OLD_NCCL.splitlines() if "Rank  1" not in line)
    with pytest.raises(ScenarioError, match="1 rank, which sends nothing"):
        logs_of(tmp_path, alone)


@pytest.mark.parametrize("value", ["nan", "inf", "-3.0", "1e400", "0", "1_0", "٣"])
def test_times_that_are_none_are_not_read(tmp_path: Path, value: str) -> None:
    (log,) = logs_of(tmp_path, CSV + f"5000,{value}\n")
    assert (len(log.samples), log.unread) == (3, 1)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.sampled_from(ALL),
    cut=st.tuples(st.integers(0, 2000), st.integers(0, 200)),
    put=st.text(max_size=20)
    | st.sampled_from(["9" * 500, "\0", "|", "{", "1e999", "# OSU MPI Latency Test", "\n0 -1\n"]),
)
def test_whatever_is_done_to_a_log_it_is_read_or_refused(
    tmp_path: Path, text: str, cut: tuple[int, int], put: str
) -> None:
    start, length = cut
    try:
        logs = logs_of(tmp_path, (text[:start] + put + text[start + length :]).encode("utf-8", "ignore").decode())
    except ScenarioError:
        return
    for log in logs:
        assert log.samples and (log.pointwise or (log.ranks or 0) >= 2)
        assert all(0 <= each.size <= 1e25 and 0 < each.seconds <= 1e6 for each in log.samples)


def test_a_log_may_be_huge_but_not_endless() -> None:
    with pytest.raises(ScenarioError, match="at most 50000000 are read"):
        read("/dev/zero")
