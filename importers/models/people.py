from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

DEMO_PEOPLE = {
    "admin": ("Ada", "Lindqvist"),
    "officer": ("Maya", "Okafor"),
    "approver": ("Tomás", "Rivera"),
    "auditor": ("Ines", "Haddad"),
}


def display_name(user: User) -> str:
    """Return the full name, or the username of an account that has none."""
    return user.get_full_name() or user.get_username()


def demo_accounts() -> QuerySet[User]:
    """Return the accounts that the demo made. An `admin` with another full name is not one."""
    made = Q(pk__in=[])
    for username, (first, last) in DEMO_PEOPLE.items():
        made |= Q(username=username, first_name=first, last_name=last)
    return User.objects.filter(made)
