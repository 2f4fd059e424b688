"""`make bench`: how fast reading is, how much memory it takes, and how far it is from what the machine allows.

    python -m benchmarks.bench                        # some minutes; prints tables, and saves bench/results.json
    python -m benchmarks.bench --quick                # a minute
    python -m benchmarks.bench --only stations peers
    python -m benchmarks.bench --show bench/results.json --pictures docs/pictures

Rows that are compared are measured in turn, in one process or in processes that alternate. Compare only figures of one
run, or of two runs on the same machine while nothing else is running.
"""
