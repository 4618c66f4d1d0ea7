/** The `Authorization: Basic` header (RFC 7617) and the challenge that asks for it. */

/** User id and password of RFC 7617, decoded from UTF-8. The password is not empty, neither holds a control character. */
export interface BasicCredential {
  readonly name: string
  readonly password: string
}

/** Tokens of CI systems with many claims have some thousand characters; nothing that anyone means as a password has more. */
const maxHeaderLength = 16_384

const basicHeader = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Undefined for another scheme and for anything malformed: bad base64, not UTF-8, no colon, control characters. An empty password is malformed too,
 * so that no back end can ever be asked about one. The name may be empty: a token says itself whose it is.
 */
export function parseBasicCredential(header: string): BasicCredential | undefined {
  const encoded = header.length > maxHeaderLength ? undefined : basicHeader.exec(header)?.[1]
  if (encoded === undefined || encoded.length % 4 !== 0) return undefined
  const text = decodeUtf8(Buffer.from(encoded, 'base64'))
  const colon = text?.indexOf(':') ?? -1
  if (text === undefined || colon < 0 || colon === text.length - 1 || /\p{Cc}/u.test(text)) return undefined
  return { name: text.slice(0, colon), password: text.slice(colon + 1) }
}

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** The value of WWW-Authenticate. Not every client reads further parameters, so there is only the realm. */
export function basicChallenge(realm: string): string {
  return `Basic realm="${realm.replaceAll(/["\\]/g, '\\$&')}"`
}
