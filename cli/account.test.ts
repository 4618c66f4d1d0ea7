import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, withAnswers, type Answer } from './test-answers.ts'
import { runVerb } from './test-verb.ts'

const account = {
  id: 3,
  name: 'alice',
  displayName: 'Alice',
  email: '',
  isAdministrator: false,
  hasPassword: true,
  providers: [],
  version: 4,
}
const sessions = {
  items: [{ id: 9, isCurrent: false, address: '192.0.2.7', userAgent: 'Firefox', createdAt: 'A', lastSeenAt: 'B', expiresAt: 'C' }],
}

interface Said {
  readonly requests: readonly string[]
  readonly lines: readonly string[]
}

/** Runs the verb against a server that gives what is asked, and tells what was asked and printed. */
async function said(args: readonly string[], input = ''): Promise<Said> {
  const requests: string[] = []
  let lines: readonly string[] = []
  const answer: Answer = (request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const condition = headers['if-match'] === undefined ? '' : ` if ${headers['if-match']}`
      requests.push(`${method} ${url.replace('/api/v1', '')}${condition}${body === '' ? '' : ` ${body}`}`)
      if (method === 'DELETE' || method === 'PUT') response.writeHead(204).end()
      else json(response, url.endsWith('/sessions') ? sessions : account)
    })
  }
  await withAnswers(answer, async (url) => void ({ lines } = await runVerb(['account', ...args, '--server', url], {}, input)))
  return { requests, lines }
}

test('one’s own account is shown, for people and for programs', async () => {
  const { requests, lines } = await said(['show'])
  assert.deepEqual(requests, ['GET /session/account'])
  assert.ok(lines.some((line) => /^display name: +Alice$/.test(line)))
  assert.equal((JSON.parse((await said(['show', '--json'])).lines.join('')) as { name: string }).name, 'alice')
})

test('it is changed only from what was read, and not by saying nothing', async () => {
  const { requests } = await said(['update', '--display-name', 'A.'])
  assert.deepEqual(requests, ['GET /session/account', 'PATCH /session/account if "4" {"displayName":"A."}'])
  await assert.rejects(said(['update']), /--display-name or --email/)
})

test('a password is changed by two lines of standard input, and by nothing less or more', async () => {
  const { requests, lines } = await said(['password', '--password-stdin'], 'old one\nnew one\n')
  assert.deepEqual(requests, ['PUT /session/password {"currentPassword":"old one","password":"new one"}'])
  assert.match(lines.join(), /password is changed/)
  assert.ok(!lines.join().includes('new one'))
  await assert.rejects(said(['password', '--password-stdin'], ''), /empty/)
  for (const input of ['new one', 'a\nb\nc', '\nb']) await assert.rejects(said(['password', '--password-stdin'], input), /two lines/)
  await assert.rejects(said(['password']), /nobody is there to ask/)
})

test('sessions are listed, and ended one by one or all', async () => {
  const { lines } = await said(['session', 'list'])
  assert.match(lines[1] ?? '', /^9 +192\.0\.2\.7 +A +B +C +Firefox$/)
  assert.deepEqual(JSON.parse((await said(['session', 'list', '--json'])).lines.join('')), sessions)
  assert.deepEqual((await said(['session', 'end', '9'])).requests, ['DELETE /sessions/9'])
  assert.deepEqual((await said(['session', 'end', '--all', '--yes'])).requests, ['DELETE /sessions'])
  await assert.rejects(said(['session', 'end', '--all']), /--yes/)
  await assert.rejects(said(['session', 'end']), /--all/)
  await assert.rejects(said(['session', 'end', '9', '--all']), /--all/)
})
