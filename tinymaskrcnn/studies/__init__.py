"""Questions answered by measurement: the ablations of the papers and the history of the family, over paired seeds.

`question.py` says what a question is, `catalogue/` holds all of them, `measure.py` trains and judges one row,
`rows.py` keeps it, `answer.py` turns rows into intervals and a sentence.
"""
