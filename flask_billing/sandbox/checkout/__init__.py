"""Checkout Sessions: the object, what a person does on its page, and completion."""
