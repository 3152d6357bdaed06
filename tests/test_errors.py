"""What is accepted instead, in a line."""

from gan_jax.errors import nearest


def test_of_many_names_some_are_listed_and_the_others_counted():
  names = [f'name{number:03}' for number in range(300)]
  listed, _, rest = nearest('x', names).removeprefix('accepted: ').rpartition(' and ')
  shown = listed.split(', ')
  assert shown == names[: len(shown)]
  assert rest == f'{300 - len(shown)} more'
  assert nearest('x', names[:10]) == f'accepted: {", ".join(names[:10])}'
