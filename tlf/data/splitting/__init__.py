"""How the engine divides images into train, eval and test, whatever dataset they are of: by
fractions or folds, the classes in proportion, and groups of images whole.
"""
