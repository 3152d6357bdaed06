"""Augmentations of all that the discriminator looks at, one a file, found by name.

A module defines `Settings`, a frozen dataclass whose fields become the config section of its name
(each with a default: a number, a bool, a str or a tuple of str), and a pure function

    augment(keys, images, strength, settings) -> images

of keys `[B]`, images `[B, H, W, C]` in [−1, 1], C of 1, 3 or 4, H and W not always equal, and the
strength in [0, 1], the probability with which each operation is done to an image: 1 does all of
them to every image, 0 leaves all as they are. The result has the images' shape and dtype. An
image's draws depend on its own key alone. It can be differentiated twice by the images.
With `WHOLE_TREE = True` it is given all images of a tree at once, such as levels.
`check(settings, channels)`, where there is one, raises UserError for settings out of range.

Augmented images are never saved or scored. What sets the strength is `controller` or a schedule.
"""
