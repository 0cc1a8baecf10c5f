"""What only some of those who are signed in may do."""

from django.contrib.auth.models import AnonymousUser, User


def may_publish_statements(user: User | AnonymousUser) -> bool:
    """Return True for an administrator."""
    return user.is_staff
