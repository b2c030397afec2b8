"""The links alone: round trips and bytes per second over tcp and MPI, beside a bare TCP echo."""

import lib


def main():
    lib.title("links: what two processes of one machine tell each other")
    print(lib.output_of([lib.built("benchmarks/link_echo"), str(lib.ROUNDS)]), end="")


if __name__ == "__main__":
    lib.main(main)
