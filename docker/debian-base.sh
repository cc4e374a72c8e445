#!/usr/bin/env bash
# For tests, where no registry of images can be reached: makes a base from Debian's own packages.
#     docker/debian-base.sh tlf-base
#     docker build --network host --build-arg BASE=tlf-base -f docker/Dockerfile -t tlf .
# It trusts the certificates that this host trusts. It needs root, debootstrap and Debian's mirror.
set -euo pipefail
tag=${1:?"write the tag of the image: $0 TAG [SUITE]"}
suite=${2:-bookworm}
certificates=/etc/ssl/certs/ca-certificates.crt

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=python3-venv,python-is-python3,ca-certificates \
    "$suite" "$folder"
rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
cp "$certificates" "$folder$certificates"
tar -C "$folder" -c . | docker import --change "ENV PIP_CERT=$certificates" - "$tag"
