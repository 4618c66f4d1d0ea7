/**
 * Text that is safe to stand in a log line: nothing that a client sends can end a line, start a field or move a terminal's cursor,
 * and nothing that opens a door stands in it.
 */

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const unsafe = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069]/g
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const unsafeInJson = /[\u007f-\u009f\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069]/g
const bare = /^[A-Za-z0-9._/@^+-]+$/

/** The characters of a quoted value, escaped as Go's %q does it: `\n`, `\"`, `\x1b`, `\u2028`. */
export function escapeText(text: string): string {
  return text.replace(unsafe, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`
    if (character === '\n') return '\\n'
    if (character === '\r') return '\\r'
    if (character === '\t') return '\\t'
    return escapedCode(character, 'x')
  })
}

/** A value as logrus's text formatter writes it: bare when it is plain, quoted otherwise. */
export function logrusValue(text: string): string {
  return bare.test(text) ? text : `"${escapeText(text)}"`
}

/** A JSON string without the invisible and direction-changing characters that JSON would let pass. */
export function jsonText(text: string): string {
  return JSON.stringify(text).replace(unsafeInJson, (character) => escapedCode(character, 'u'))
}

/** Serialised JSON with the same characters escaped; they can only stand inside its strings. */
export function jsonLine(json: string): string {
  return json.replace(unsafeInJson, (character) => escapedCode(character, 'u'))
}

function escapedCode(character: string, short: 'x' | 'u'): string {
  const hex = character.charCodeAt(0).toString(16)
  return short === 'x' && hex.length <= 2 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`
}

const secretParameter = /token|secret|passw|signature|^sig$|credential|^code$|^key$|assertion/i

/** A request target or URL with the values of query parameters that carry secrets, and any `user:password@`, replaced by `***`. */
export function maskUrl(url: string): string {
  const masked = url.includes('@') ? url.replace(/\/\/[^/?#@]*@/, '//***@') : url
  const queryAt = masked.indexOf('?')
  if (queryAt < 0) return masked
  const parameters = masked.slice(queryAt + 1).split('&')
  return `${masked.slice(0, queryAt)}?${parameters.map(maskParameter).join('&')}`
}

function maskParameter(parameter: string): string {
  const equals = parameter.indexOf('=')
  if (equals < 0) return parameter
  const name = parameter.slice(0, equals)
  return secretParameter.test(decoded(name)) ? `${name}=***` : parameter
}

function decoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    // Not UTF-8 behind the escapes: what each single byte means is enough to find a hidden `token`.
    return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
}

const credentials = /\b(Basic|Bearer)\s+[A-Za-z0-9._~+/=-]{4,}/gi
const userInfo = /(\b[a-z][a-z0-9+.-]{1,15}:\/\/)[^/\s"'@?#]{1,256}@/gi

/** Free text (messages of foreign errors) without credentials that slipped into it. */
export function maskCredentials(text: string): string {
  return text.replace(credentials, '$1 ***').replace(userInfo, '$1***@')
}
