/**
 * The log: pino behind the three formatters that registry:2 has.
 *
 * The problem: operators feed these lines to what they built for registry:2 (logrus text, its JSON, logstash), no line may carry a secret or
 * be forged by a client, and writing must not cost a request a system call. The way: pino builds JSON, a thin destination re-writes it for
 * the formatter, masks credentials, and hands it to a buffered writer that is flushed each 200 ms, at once from `warn` on, and at exit.
 * Lines built by hand (the access log) go to the same writer by {@link logLines}. To add a formatter, add a function to `formatters`.
 */
import { pino, symbols, type DestinationStream } from 'pino'
import type { Logger } from './logger.ts'
import { jsonLine, logrusValue, maskCredentials } from './log-text.ts'

type LogFormatter = 'text' | 'json' | 'logstash'

/** `log.level`, `log.formatter` and `log.fields` of the configuration, as registry:2 has them. */
export interface LoggerOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly formatter: LogFormatter
  /** Stand in every line. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** Where finished lines go. `write` takes whole lines with their newline and must not throw. */
export interface LineSink {
  write(line: string): unknown
  /** Begins to write out what is buffered. */
  flush?(): void
  /** Writes out what is buffered, before it returns: it may block on a standard output that does not move. */
  flushSync?(): void
}

/** What hand-built lines need to look like the logger's own. */
export interface LogLines {
  readonly sink: LineSink
  readonly formatter: LogFormatter
  readonly fields: Readonly<Record<string, unknown>>
}

const bufferBytes = 65_536
const flushIntervalMs = 200
/** Lines waiting for a standard output that does not move; what is beyond is dropped rather than kept in memory. */
const waitingBytesMax = 16 * 1024 * 1024

const warnLevel = pino.levels.values['warn'] ?? 40
const fatalLevel = pino.levels.values['fatal'] ?? 60

const linesOf = new WeakMap<Logger, LogLines>()

/** Keys whose string values never reach a line, at any depth. Linear: the value is one character or one escape at a time. */
const secretFields =
  /"([^"\\]*(?:authorization|cookie|passw(?:or)?d|secret|token|access_?key|private_?key|credentials?))":"(?:[^"\\]|\\.)*"/gi

/** Makes the logger. Without a `sink` it writes to standard output, buffered; {@link flushLog} empties the buffer. */
export function createLogger(options: LoggerOptions, sink: LineSink = standardOutput()): Logger {
  const log = pino(
    {
      level: options.level,
      base: { ...options.fields },
      messageKey: options.formatter === 'logstash' ? 'message' : 'msg',
      errorKey: 'err',
      timestamp: () => timestampField(options.formatter),
      formatters: { level: (label) => ({ level: logrusLevel(label) }) },
    },
    destinationOf(options.formatter, sink),
  )
  linesOf.set(log, { sink, formatter: options.formatter, fields: options.fields })
  return log
}

/** The writer behind a logger that {@link createLogger} made, for lines built by hand; undefined for any other logger. */
export function logLines(log: Logger): LogLines | undefined {
  return linesOf.get(log)
}

/** Writes out what the logger has buffered, before it returns: at the end of the process and before a crash. */
export function flushLog(log: Logger): void {
  linesOf.get(log)?.sink.flushSync?.()
}

function standardOutput(): LineSink {
  return pino.destination({
    dest: 1,
    sync: false,
    minLength: bufferBytes,
    maxWrite: 2 * bufferBytes,
    maxLength: waitingBytesMax,
    periodicFlush: flushIntervalMs,
  })
}

function timestampField(formatter: LogFormatter): string {
  const time = new Date().toISOString()
  return formatter === 'logstash' ? `,"@timestamp":"${time}","@version":"1"` : `,"time":"${time}"`
}

/** registry:2's names of levels: logrus spells `warning` out. */
function logrusLevel(label: string): string {
  return label === 'warn' ? 'warning' : label
}

const formatters: Readonly<Record<LogFormatter, (line: string) => string>> = {
  text: (line) => textLine(JSON.parse(line) as Record<string, unknown>),
  json: jsonLine,
  logstash: jsonLine,
}

/** pino's destination: `lastLevel` is pino's own way to tell the level of the line that follows. */
function destinationOf(formatter: LogFormatter, sink: LineSink): DestinationStream {
  const format = formatters[formatter]
  const destination = {
    [symbols.needsMetadataGsym]: true,
    lastLevel: 0,
    write(line: string) {
      sink.write(maskCredentials(format(line.replace(secretFields, '"$1":"***"'))))
      if (this.lastLevel >= fatalLevel) sink.flushSync?.()
      else if (this.lastLevel >= warnLevel) sink.flush?.()
    },
  }
  return destination
}

/** `time="…" level=info msg="…" key=value`, the other keys in the order of the alphabet as logrus has them. */
function textLine(record: Readonly<Record<string, unknown>>): string {
  const { time, level, msg, ...rest } = record
  const fields = Object.keys(rest)
    .toSorted()
    .map((key) => ` ${logrusKey(key)}=${logrusValue(textOf(rest[key]))}`)
  return `time=${logrusValue(textOf(time))} level=${textOf(level)} msg=${logrusValue(textOf(msg))}${fields.join('')}\n`
}

function logrusKey(key: string): string {
  return key.replace(/[^A-Za-z0-9._-]/g, '_')
}

function textOf(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
