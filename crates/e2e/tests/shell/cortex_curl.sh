#!/bin/sh
# An export by curl, as a script of a user's would: signed, then with a cookie jar, and downloaded
# through the redirect. The environment is that of node/mdctl.js; FOLDER is where files may be put.
set -eu

api="$BASE/$ORG/v2"

fail() {
  echo "$*" >&2
  exit 1
}

# The member of that name of a JSON document on one line.
member() {
  sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

# METHOD PATH and further arguments of curl: a request that is signed.
signed() {
  method=$1
  path=$2
  shift 2
  now=$(date +%s%3N)
  signature=$(printf '%s;%s;%s' "${path%%\?*}" "$method" "$now" |
    openssl dgst -sha256 -hmac "$KEY$SECRET" | sed 's/.* //')
  curl -sS -X "$method" "$api$path" \
    -H "Medable-Client-Key: $KEY" -H "Medable-Client-Signature: $signature" \
    -H "Medable-Client-Timestamp: $now" -H "Medable-Client-Nonce: $(openssl rand -hex 8)" "$@"
}

# METHOD PATH and further arguments of curl: a request with the session's cookies.
within() {
  method=$1
  path=$2
  shift 2
  curl -sS -X "$method" "$api$path" -H "Medable-Client-Key: $KEY" -b "$FOLDER/jar" "$@"
}

# How to ask: creates an export, waits for it, downloads it and deletes it.
export_by() {
  ask=$1
  body="{\"label\":\"by curl\",\"objects\":\"$OBJECTS\",\"format\":\"text/csv\"}"
  made=$($ask POST /exports -H 'Content-Type: application/json' -d "$body")
  # The id comes first, and there are ids of accounts behind it.
  id=$(echo "$made" | sed -n 's/^{"_id":"\([0-9a-f]*\)".*/\1/p')
  [ -n "$id" ] || fail "$made"
  tries=0
  until [ "$($ask GET "/exports/$id/state" | member data)" = ready ]; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail "export $id: $($ask GET "/exports/$id")"
    sleep 0.1
  done
  $ask GET "/exports/$id/dataFile/content" -L -o "$FOLDER/export.zip"
  [ "$(head -c 2 "$FOLDER/export.zip")" = PK ] || fail "$(cat "$FOLDER/export.zip")"
  $ask GET "/exports/$id/dataFile/content" -o /dev/null -w '%{http_code} %{redirect_url}\n' |
    grep -q "^302 $api/x_files/" || fail 'it is no redirect'
  gone=$($ask DELETE "/exports/$id")
  [ "$gone" = '{"object":"result","data":true}' ] || fail "$gone"
}

export_by signed
account=$(curl -sS -c "$FOLDER/jar" "$api/accounts/login" -H "Medable-Client-Key: $KEY" \
  --data-urlencode "email=$EMAIL" --data-urlencode "password=$PASSWORD")
[ "$(echo "$account" | member email)" = "$EMAIL" ] || fail "$account"
export_by within
within POST /accounts/me/logout > /dev/null
out=$(within GET /exports | member code)
[ "$out" = kSessionExpired ] || fail "after the logout: $out"
echo ok
