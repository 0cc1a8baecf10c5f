from django.contrib.auth.models import User


def display_name(user: User) -> str:
    """Return the full name, or the username of an account that has none."""
    return user.get_full_name() or user.get_username()
