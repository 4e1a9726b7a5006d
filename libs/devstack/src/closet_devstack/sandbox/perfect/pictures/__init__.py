"""Pictures made by drawing instead of by a model, plainly marked."""
