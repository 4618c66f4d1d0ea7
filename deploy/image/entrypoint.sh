#!/bin/sh
# The rules of registry:2's and registry:3's images: a configuration is served, a verb or an option is Berth's, everything else is a command of its own.
set -e

own=/opt/berth/config.yml
new=/etc/distribution/config.yml
old=/etc/docker/registry/config.yml

# Who laid a file over registry:2's place and gives no command means that file.
if [ "$#" -eq 1 ] && [ "$1" = "$new" ] && [ -f "$old" ] &&
  [ "$(cat "$new" 2>/dev/null)" = "$(cat "$own")" ] && [ "$(cat "$old")" != "$(cat "$own")" ]; then
  set -- "$old"
fi

case "$1" in
  *.yaml | *.yml) set -- berth serve "$@" ;;
  serve | garbage-collect | help | -*) set -- berth "$@" ;;
esac

exec "$@"
