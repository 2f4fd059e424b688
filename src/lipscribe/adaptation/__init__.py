"""A lip reader for one person: `lipscribe adapt`.

`recordings` finds videos and texts, `checking` cuts out the mouths and judges them, `people` tells people apart,
`texts` compares texts with what is seen; `recipe` and `fit` train, `trials` cross-validates in processes, `learning`
chooses and estimates (`estimate`), `install` writes the model. `adapt` calls them in order. `phrases` learns phrases of
any words instead (`phrase_sources` finds them).
"""
