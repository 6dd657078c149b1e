"""Shadow review: large disagreements of shadow and live decisions are sampled, and people judge them.

``sizes`` says how large a disagreement is, ``draws`` and ``sampling`` which ones are queued, ``arriving`` puts them
there as rows land, ``judging`` takes verdicts, ``told`` is what is read of the queue, ``concluded`` what follows of it.
"""
