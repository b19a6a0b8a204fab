#!/bin/bash
# make-certificates.sh FOLDER NAME...: a development authority, and under it a certificate for each name, by openssl.
#   deploy/make-certificates.sh deploy/tls chicago-1 us-east-1
# FOLDER/ca.pem is the authority; FOLDER/NAME/{ca,cert,key}.pem are what one broker or one client needs. A certificate is for its name, localhost
# and 127.0.0.1, and serves both ends of a connection. What is there stays, so running it again adds names. Not for production: ca-key.pem
# signs whatever it is asked to, and keys are readable by all, since brokers in containers run as users of their own.
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: $0 FOLDER NAME..." >&2
  exit 64
fi
folder=$1
shift
mkdir -p "$folder"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1" && chmod 644 "$1"; }

if [ ! -e "$folder/ca.pem" ]; then
  key "$folder/ca-key.pem"
  openssl req -x509 -new -key "$folder/ca-key.pem" -days 3650 -subj "/CN=waggle development authority" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$folder/ca.pem"
fi

for name in "$@"; do
  at=$folder/$name
  [ ! -e "$at/cert.pem" ] || continue
  mkdir -p "$at"
  key "$at/key.pem"
  cp "$folder/ca.pem" "$at/ca.pem"
  openssl req -new -key "$at/key.pem" -subj "/CN=$name" -out "$at/request.pem"
  printf '%s\n' "subjectAltName=DNS:$name,DNS:localhost,IP:127.0.0.1" "basicConstraints=critical,CA:FALSE" \
    "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth,clientAuth" > "$at/extensions"
  openssl x509 -req -in "$at/request.pem" -CA "$folder/ca.pem" -CAkey "$folder/ca-key.pem" -CAcreateserial -days 825 \
    -extfile "$at/extensions" -out "$at/cert.pem" 2> /dev/null
  rm "$at/request.pem" "$at/extensions"
  echo "$at"
done
