/**
 * A line for every request, in the shape of the log's formatter: registry:2's `response completed`, and with `log.accesslog` in text form its line in the
 * Combined Log Format beside it.
 *
 * Built by hand and handed to the logger's writer: pino would cost a small request a tenth of its time. Everything that a client chose passes through
 * `log-text.ts`, which lets no line be forged and no secret through.
 */
import { logLines, type LogLines } from '#lib/logging.ts'
import { escapeText, jsonText, logrusValue, maskUrl } from '#lib/log-text.ts'
import { exchangeCaller, type Exchange, type HttpParts } from './exchange.ts'

/** Client went away before the answer was complete: nginx's number, which registry:2 logs as well. */
export const clientClosedRequest = 499

export interface AccessLog {
  /** Writes the line; called once, when the exchange is over. */
  record(exchange: Exchange, status: number): void
}

/** What a line tells, in registry:2's names. Undefined is left out; numbers stand without quotes. */
type Fields = Readonly<Record<string, string | number | undefined>>

export function createAccessLog({ config, log, ports }: HttpParts): AccessLog {
  const lines = logLines(log)
  // A logger that is not ours (tests, the simulator) or does not care for `info` has no place for these lines.
  if (lines === undefined || !log.isLevelEnabled('info')) return { record: () => undefined }
  const build = builders[lines.formatter](staticFields(lines))
  const withCombined = config.log.accessLog && lines.formatter === 'text'
  return {
    record(exchange, status) {
      const now = ports.clock.now()
      const durationMs = ports.clock.monotonic() - exchange.startedAt
      const fields = fieldsOf(exchange, status, durationMs)
      lines.sink.write(build(new Date(now).toISOString(), fields))
      if (withCombined) lines.sink.write(combinedLine(exchange, fields, now))
    },
  }
}

function fieldsOf(exchange: Exchange, status: number, durationMs: number): Fields {
  const { request, requestId, notes } = exchange
  return {
    'auth.user.name': notes.principal?.isAnonymous === false ? notes.principal.name : undefined,
    'err.code': notes.errorCode,
    'http.request.contentlength': notes.receivedBytes === 0 ? undefined : notes.receivedBytes,
    'http.request.host': request.headers.host,
    'http.request.id': requestId,
    'http.request.method': request.method,
    'http.request.referer': mask(request.headers.referer),
    'http.request.remoteaddr': exchangeCaller(exchange).address,
    'http.request.uri': maskUrl(request.url ?? ''),
    'http.request.useragent': request.headers['user-agent'],
    'http.response.duration': `${durationMs.toFixed(3)}ms`,
    'http.response.status': status,
    'http.response.written': notes.sentBytes,
  }
}

function mask(url: string | undefined): string | undefined {
  return url === undefined ? undefined : maskUrl(url)
}

/** The operator's fields, which stand in every line, as `[key, text]`. */
function staticFields({ fields }: LogLines): readonly (readonly [string, string])[] {
  return Object.entries(fields).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)])
}

type LineBuilder = (time: string, fields: Fields) => string

const builders = {
  text: (fixed: readonly (readonly [string, string])[]): LineBuilder => {
    const suffix = fixed.map(([key, value]) => ` ${key.replace(/[^A-Za-z0-9._-]/g, '_')}=${logrusValue(value)}`).join('')
    return (time, fields) => {
      let line = `time="${time}" level=info msg="response completed"`
      for (const key in fields) {
        const value = fields[key]
        if (value !== undefined) line += ` ${key}=${typeof value === 'number' ? value : logrusValue(value)}`
      }
      return `${line}${suffix}\n`
    }
  },
  json: (fixed: readonly (readonly [string, string])[]): LineBuilder => {
    const suffix = jsonSuffix(fixed)
    return (time, fields) => `{"level":"info","time":"${time}"${suffix}${jsonFields(fields)},"msg":"response completed"}\n`
  },
  logstash: (fixed: readonly (readonly [string, string])[]): LineBuilder => {
    const suffix = jsonSuffix(fixed)
    return (time, fields) =>
      `{"level":"info","@timestamp":"${time}","@version":"1"${suffix}${jsonFields(fields)},"message":"response completed"}\n`
  },
}

function jsonSuffix(fixed: readonly (readonly [string, string])[]): string {
  return fixed.map(([key, value]) => `,${jsonText(key)}:${jsonText(value)}`).join('')
}

function jsonFields(fields: Fields): string {
  let text = ''
  for (const key in fields) {
    const value = fields[key]
    if (value !== undefined) text += `,"${key}":${typeof value === 'number' ? value : jsonText(value)}`
  }
  return text
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Apache's Combined Log Format, in UTC. */
function combinedLine({ request }: Exchange, fields: Fields, now: number): string {
  const date = new Date(now)
  const two = (part: number) => String(part).padStart(2, '0')
  const day = `${two(date.getUTCDate())}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}`
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
  const quoted = (key: string) => `"${escapeText(String(fields[key] ?? ''))}"`
  const user = escapeText(String(fields['auth.user.name'] ?? '-')).replaceAll(' ', '\\x20')
  const asked = `${request.method} ${fields['http.request.uri']} HTTP/${request.httpVersion}`
  const caller = fields['http.request.remoteaddr'] || '-'
  const answered = `${fields['http.response.status']} ${fields['http.response.written']}`
  return `${caller} - ${user} [${day}:${time} +0000] "${escapeText(asked)}" ${answered} ${quoted('http.request.referer')} ${quoted('http.request.useragent')}\n`
}
