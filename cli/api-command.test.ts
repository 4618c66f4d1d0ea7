import assert from 'node:assert/strict'
import { createServer as createTlsServer } from 'node:https'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parseDigested } from './manifest.ts'
import { parseServer } from './api-command.ts'
import { parseTagged } from './tag.ts'
import { json, withAnswers } from './test-answers.ts'
import { runVerb } from './test-verb.ts'
import { makeCertificates } from '../test/support/certificates.ts'

const repository = (name: string) => ({
  name,
  project: 'library',
  description: '\u001b[31m',
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  tagCount: 1_000,
  tagCountIsExact: false,
})

suite('a server’s address', () => {
  test('is what people write, with TLS unless it is this machine', () => {
    const cases = {
      'registry.example': 'https://registry.example',
      'registry.example:5000/': 'https://registry.example:5000',
      'localhost:5000': 'http://localhost:5000',
      '127.0.0.1': 'http://127.0.0.1',
      'localhost.example': 'https://localhost.example',
      'HTTP://Registry.Example/base//': 'http://registry.example/base',
    }
    for (const [text, server] of Object.entries(cases)) assert.equal(parseServer(text), server)
  })

  for (const text of ['', 'ftp://x', 'https://', 'https://alice:secret@x', 'https://x/?q=1', 'https://x/#y', 'a b']) {
    test(`is not ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseServer(text),
        (error: Error) => !error.message.includes('secret'),
      )
    })
  }
})

test('a tag and a manifest are named as docker names them', () => {
  assert.deepEqual(parseTagged('team/app:1.2'), { repository: 'team/app', tag: '1.2' })
  for (const text of ['team/app', ':x', 'app:', 'host:5000/app']) assert.throws(() => parseTagged(text), /names no tag/)
  assert.deepEqual(parseDigested('team/app@sha256:ab'), { repository: 'team/app', digest: 'sha256:ab' })
  for (const text of ['team/app', '@x', 'app@']) assert.throws(() => parseDigested(text), /names no manifest/)
})

suite('a verb', () => {
  test('asks the server that is named, as whom the environment says, and prints a table', () =>
    withAnswers(
      (request, response) => {
        assert.equal(request.headers.authorization, 'Bearer berth_pat_x')
        assert.match(request.headers['user-agent'] ?? '', /^berth-cli\//)
        assert.equal(request.url, '/api/v1/repositories?q=app&limit=2')
        json(response, { items: [repository('team/app')], next: 'more' })
      },
      async (url) => {
        const { lines, errors } = await runVerb(['repository', 'list', '--q', 'app', '--limit', '2', '--server', url], {
          BERTH_TOKEN: 'berth_pat_x',
        })
        assert.deepEqual(lines, ['NAME      PROJECT  TAGS   UPDATED', 'team/app  library  1000+  2026-01-01T00:00:00.000Z'])
        assert.match(errors.join(), /there are more/)
      },
    ))

  test('goes through all pages with --all, and prints what came with --json', () =>
    withAnswers(
      ({ url = '' }, response) =>
        json(response, url.includes('cursor=c') ? { items: [repository('b')] } : { items: [repository('a')], next: 'c' }),
      async (url) => {
        const { lines } = await runVerb(['repository', 'list', '--all', '--json'], { BERTH_SERVER: url })
        assert.deepEqual(JSON.parse(lines.join('\n')), { items: [repository('a'), repository('b')] })
      },
    ))

  test('tells a refusal in a sentence with the request’s id, and nothing that moves a cursor', () =>
    withAnswers(
      (_request, response) =>
        json(
          response,
          { title: 'there is none', status: 404, code: 'RESOURCE_UNKNOWN', detail: 'no \u001b[2Jsuch thing', requestId: 'r-77' },
          404,
        ),
      async (url) => {
        await assert.rejects(runVerb(['repository', 'show', 'a', '--server', url]), {
          name: 'CommandFailure',
          message: 'no such thing (RESOURCE_UNKNOWN, request r-77)',
        })
      },
    ))

  test('says how to log in when the server asks who it is', () =>
    withAnswers(
      (_request, response) => json(response, { title: 'authentication required', status: 401, code: 'UNAUTHORIZED', requestId: 'r' }, 401),
      async (url) => {
        await assert.rejects(runVerb(['repository', 'list', '--server', url]), new RegExp(`log in with berth login ${url}`))
      },
    ))

  test('deletes nothing unless somebody says yes', () =>
    withAnswers(
      () => assert.fail('the server was asked'),
      async (url) => {
        await assert.rejects(runVerb(['repository', 'delete', 'a', '--server', url]), /--yes/)
      },
    ))

  test('without a server says how to name one', async () => {
    await assert.rejects(runVerb(['repository', 'list']), /berth login URL/)
  })

  test('whose server is not there says so', async () => {
    let gone = ''
    await withAnswers(
      () => undefined,
      async (url) => void (gone = url),
    )
    await assert.rejects(runVerb(['repository', 'list', '--server', gone]), /nothing listens there/)
    await assert.rejects(runVerb(['repository', 'list', '--server', 'https://host.invalid']), /no host of that name|cannot be looked up/)
  })

  test('whose server is something else says so', () =>
    withAnswers(
      (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>'),
      async (url) => {
        await assert.rejects(runVerb(['repository', 'list', '--server', url]), /no Berth/)
        await assert.rejects(runVerb(['repository', 'list', '--server', url.replace('http:', 'https:')]), /does not speak TLS/)
      },
    ))
})

test('a certificate that nobody vouches for is refused with what to do, and taken with --ca', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-cli-ca-'))
  const certificates = await makeCertificates(directory, ['DNS:localhost', 'IP:127.0.0.1'])
  const files = { key: await readFile(certificates.keyFile), cert: await readFile(certificates.certificateFile) }
  const server = createTlsServer(files, (_request, response) => json(response, { items: [] }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const url = `https://localhost:${(server.address() as AddressInfo).port}`
    await assert.rejects(runVerb(['repository', 'list', '--server', url]), /--ca FILE/)
    const file = join(directory, 'ca.pem')
    await writeFile(file, certificates.authority)
    assert.deepEqual((await runVerb(['repository', 'list', '--server', url, '--ca', file])).lines, ['NAME  PROJECT  TAGS  UPDATED'])
    await assert.rejects(runVerb(['repository', 'list', '--server', url, '--ca', join(directory, 'none')]), /cannot be read/)
    await writeFile(file, 'not PEM')
    await assert.rejects(runVerb(['repository', 'list', '--server', url, '--ca', file]), /no certificate/)
  } finally {
    server.closeAllConnections()
    server.close()
    await rm(directory, { recursive: true })
  }
})
