"""`make bench`: each figure of performance beside its goal and a baseline from the same run.

Real processes over real HTTP, on SQLite and on PostgreSQL. Compare the ratios: absolute times
depend on the machine. It needs Linux, whose /proc tells the processor time of other processes.
"""

import django

django.setup()  # its parts import the product
