"""The operator's policy and the API description: read, judged and made ready for the controls.

Mistakes found here are `PolicyError`s: file, line, key, problem, hint. Nothing in this package sees a request,
save `routing`, which finds the operation a request is for.
"""
