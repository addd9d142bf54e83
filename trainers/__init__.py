"""Trainers: a dataset version in, a transformers model directory out.

Each trainer is one file that reads top to bottom (`sft`); what they share stands beside it. They
read versions and write run folders; they never build, change or download a dataset.
"""
