import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger, flushLog, logLines, type LoggerOptions } from './logging.ts'

function logger(formatter: LoggerOptions['formatter'], fields: Record<string, unknown> = {}) {
  const lines: string[] = []
  const calls: string[] = []
  const sink = {
    write: (line: string) => void lines.push(line),
    flush: () => void calls.push('flush'),
    flushSync: () => void calls.push('flushSync'),
  }
  return { log: createLogger({ level: 'info', formatter, fields }, sink), lines, calls }
}

test('the text formatter writes what logrus writes', () => {
  const { log, lines } = logger('text', { service: 'registry', environment: 'my test' })
  log.info({ b: 1, a: 'x y' }, 'hello "world"')
  log.warn('careful')
  assert.match(
    lines[0] ?? '',
    /^time="\d{4}-\d\d-\d\dT[\d:.]+Z" level=info msg="hello \\"world\\"" a="x y" b=1 environment="my test" service=registry\n$/,
  )
  assert.match(lines[1] ?? '', /level=warning msg=careful/)
})

test('the json and logstash formatters write one object a line, with their own names', () => {
  const json = logger('json', { f: 1 })
  json.log.info({ k: 'v\n' }, 'm')
  const { time, ...rest } = JSON.parse(json.lines[0] ?? '') as Record<string, unknown>
  assert.deepEqual(rest, { level: 'info', f: 1, k: 'v\n', msg: 'm' })
  assert.equal(typeof time, 'string')
  const logstash = logger('logstash')
  logstash.log.warn('m')
  const line = JSON.parse(logstash.lines[0] ?? '') as Record<string, unknown>
  assert.equal(line['message'], 'm')
  assert.equal(line['@version'], '1')
  assert.equal(line['level'], 'warning')
  assert.equal(typeof line['@timestamp'], 'string')
})

for (const formatter of ['text', 'json', 'logstash'] as const) {
  test(`secrets never reach a ${formatter} line`, () => {
    const { log, lines } = logger(formatter)
    log.info(
      {
        password: 'canary1',
        headers: { authorization: 'Basic canary2', Cookie: 'canary3' },
        deep: { er: { secretKey: 'x', secret: 'can"ary4', access_token: 'canary5' } },
      },
      'see',
    )
    log.error(
      { err: new Error('401 for https://u:canary6@host/ with Bearer canary7canary', { cause: new Error('Basic Y2FuYXJ5OA==') }) },
      'failed',
    )
    assert.doesNotMatch(lines.join(''), /canary|Y2FuYXJ5OA|can\\*"ary/)
    assert.equal(lines.length, 2)
  })

  test(`nothing that is logged as ${formatter} can forge a line`, () => {
    const { log, lines } = logger(formatter)
    log.info({ 'a\nb c=': 'x\ntime="now" level=error msg="forged"\r\n\u2028\u0085' }, 'm\ntime=')
    assert.equal(lines.length, 1)
    assert.equal(lines[0]?.split(/[\r\n\u2028\u0085]/).length, 2)
  })
}

test('an error is logged with its stack and causes', () => {
  const { log, lines } = logger('json')
  log.error({ err: new Error('outer', { cause: new Error('inner reason') }) }, 'failed')
  assert.match(lines[0] ?? '', /inner reason/)
  assert.match(lines[0] ?? '', /logging\.test\.ts/)
})

test('lines below the level are not written', () => {
  const { log, lines } = logger('text')
  log.debug('x')
  assert.deepEqual(lines, [])
})

test('warnings are flushed at once, fatal lines before the call returns', () => {
  const { log, calls } = logger('text')
  log.info('x')
  assert.deepEqual(calls, [])
  log.warn('x')
  log.fatal('x')
  assert.deepEqual(calls, ['flush', 'flushSync'])
  flushLog(log)
  assert.equal(calls.length, 3)
  assert.equal(logLines(log)?.formatter, 'text')
})
