"""What answers for a version: is it whole, what changed, where it comes from, why a record is in or out.

Everything here reads versions, and whatever they were made of; nothing writes to the store.
"""
