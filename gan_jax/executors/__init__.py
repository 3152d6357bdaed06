"""Has commands of launch.py run elsewhere: on Slurm, on Kubernetes."""
