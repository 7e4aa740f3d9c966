"""Are the tests strong enough? Faults are planted in the source, one at a time; whatever notices none is too weak.

    python -m tests.mutation homework hw01 hw02     the checks of the exercises against mutants of their solutions
    python -m tests.mutation package nn             the tests of a room against mutants of its source

- operators.py: the faults that are planted in a line of source
- limits.py: solutions that are right within limits only (two groups, one leading axis, one dtype)
- homework.py, package.py: who judges them; planted.py: how a module gets another source
- equivalent.py: mutants that change nothing that is promised, each with its reason (equivalent/*.json)
"""
