import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rawConnection } from '../support/raw-connection.ts'
import { registryClient } from '../support/registry-client.ts'
import { serveRooms, type ServedRooms } from '../support/serve-rooms.ts'
import { until } from '../support/until.ts'

const log = { level: 'info', fields: { service: 'registry' }, accessLog: true } as const
const completed = (rooms: ServedRooms) => rooms.lines.filter((line) => line.includes('response completed'))

test('a request is a line as logrus writes it, and one in the Combined Log Format', async () => {
  await using rooms = await serveRooms({ log: { ...log, formatter: 'text' } })
  await registryClient(rooms.url).send('/v2/?n=1', { headers: { 'user-agent': 'docker/20 (x)', referer: 'http://r/', host: 'h:1' } })
  await until('lines', () => rooms.lines.length >= 2)
  const [line = '', combined = ''] = rooms.lines
  assert.match(
    line,
    /^time="\S+Z" level=info msg="response completed" http\.request\.host="h:1" http\.request\.id=\S+ http\.request\.method=GET http\.request\.referer="http:\/\/r\/" http\.request\.remoteaddr=127\.0\.0\.1 http\.request\.uri="\/v2\/\?n=1" http\.request\.useragent="docker\/20 \(x\)" http\.response\.duration=[\d.]+ms http\.response\.status=200 http\.response\.written=2 service=registry\n$/,
  )
  assert.match(
    combined,
    /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/v2\/\?n=1 HTTP\/1\.1" 200 2 "http:\/\/r\/" "docker\/20 \(x\)"\n$/,
  )
})

test('the Combined Log Format can be switched off', async () => {
  await using rooms = await serveRooms({ log: { ...log, accessLog: false, formatter: 'text' } })
  await registryClient(rooms.url).send('/v2/')
  await until('line', () => rooms.lines.length > 0)
  assert.equal(rooms.lines.length, 1)
})

for (const [formatter, message] of [
  ['json', 'msg'],
  ['logstash', 'message'],
] as const) {
  test(`a request is one ${formatter} object`, async () => {
    await using rooms = await serveRooms({ log: { ...log, formatter } })
    await registryClient(rooms.url).send('/v2/x/tags/list')
    await until('line', () => rooms.lines.length > 0)
    assert.equal(rooms.lines.length, 1)
    const line = JSON.parse(rooms.lines[0] ?? '') as Record<string, unknown>
    assert.equal(line[message], 'response completed')
    assert.equal(line['http.response.status'], 404)
    assert.equal(line['err.code'], 'NAME_UNKNOWN')
    assert.equal(line['service'], 'registry')
    assert.equal(line['http.request.uri'], '/v2/x/tags/list')
  })
}

for (const formatter of ['text', 'json', 'logstash'] as const) {
  test(`no header of a client can forge a ${formatter} line`, async () => {
    await using rooms = await serveRooms({ log: { ...log, formatter } })
    const evil = '\x1b[2J\x85" level=error msg="forged" x="\\'
    using connection = await rawConnection(
      rooms.port,
      Buffer.from(
        `GET /v2/"x"%0a%0d\\?a=b HTTP/1.1\r\nHost: x\r\nUser-Agent: ${evil}\r\nReferer: ${evil}\r\nX-Forwarded-For: 1.2.3.4"\r\nX-Request-Id: ${evil}\r\n\r\n`,
        'latin1',
      ),
    )
    await connection.until('\r\n\r\n')
    await until('lines', () => completed(rooms).length > 0 || rooms.lines.length > 0)
    for (const line of rooms.lines) {
      // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
      assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f]/)
      if (formatter === 'text') assert.doesNotMatch(line.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""'), /forged|level=error/)
      else JSON.parse(line)
    }
  })
}

test('the address in the log is the client’s when a trusted proxy tells it', async () => {
  await using rooms = await serveRooms()
  await registryClient(rooms.url).send('/v2/', { headers: { 'x-forwarded-for': '203.0.113.9' } })
  await until('line', () => completed(rooms).length > 0)
  assert.match(completed(rooms)[0] ?? '', /http\.request\.remoteaddr=203\.0\.113\.9 /)
})

test('a level above info has no lines of requests', async () => {
  await using rooms = await serveRooms({ log: { ...log, level: 'warn', formatter: 'text' } })
  await registryClient(rooms.url).send('/v2/')
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.deepEqual(rooms.lines, [])
})

test('a fault of ours is answered with its request id alone, and logged with its stack', async () => {
  await using rooms = await serveRooms()
  await rooms.registry.metadata[Symbol.asyncDispose]()
  const answer = await registryClient(rooms.url).send('/v2/a/manifests/v1')
  assert.equal(answer.status >= 500, true)
  const { errors } = JSON.parse(answer.body.toString()) as { errors: [{ detail: unknown; message: string }] }
  assert.deepEqual(errors[0].detail, { requestId: answer.headers['x-request-id'] })
  assert.doesNotMatch(answer.body.toString(), /\/|\.ts|sqlite|Error:/)
  await until('logged', () => rooms.lines.some((line) => line.includes('level=error')))
  const line = rooms.lines.find((one) => one.includes('level=error')) ?? ''
  assert.match(line, /\.ts/)
  assert.ok(line.includes(String(answer.headers['x-request-id'])))
})
