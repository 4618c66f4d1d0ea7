import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { exitStatusOf } from '../../cli/exit-status.ts'
import { runVerb } from '../../cli/test-verb.ts'
import { sealEvents } from '#events/seal.ts'
import { removeEvent } from '#events/test-tampering.ts'
import { newestEventId } from '#metadata/events.ts'
import { openPeople, password, type People } from './people.ts'

suite('berth audit and berth system', () => {
  let people: People
  let directory: string
  before(async () => {
    people = await openPeople()
    directory = await mkdtemp(join(tmpdir(), 'berth-verbs-'))
    assert.equal((await people.root.call('POST', '/projects', { name: 'team' })).status, 201)
  })
  after(async () => {
    await people[Symbol.asyncDispose]()
    await rm(directory, { recursive: true })
  })

  const run = (...args: string[]) =>
    runVerb(args, { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: 'a long enough passphrase' })

  test('list filters, by project too', async () => {
    const { lines } = await run('audit', 'list', '--action', 'project.*', '--since', '2020-01-01')
    assert.equal(lines.length, 2)
    assert.match(lines[1] ?? '', /project\.created +success +root +127\.0\.0\.1 +1 +project:team/)
    assert.equal((await run('audit', 'list', '--project', 'team', '--until', '2020-01-01')).lines.length, 1)
    assert.equal((await run('audit', 'list', '--project', 'team', '--action', 'project.created', '--since', '1h')).lines.length, 2)
    assert.equal((await run('audit', 'list', '--project', 'team', '--until', '1h')).lines.length, 1)
    for (const text of ['yesterday', '1', '1x', '-1h', 'h'])
      await assert.rejects(run('audit', 'list', `--since=${text}`), /--since is a day, an instant, or how long ago/)
  })

  test('export writes a file', async () => {
    const file = join(directory, 'audit.csv')
    await run('audit', 'export', '--format', 'csv', '-o', file, '--action', 'project.created')
    const rows = (await readFile(file, 'utf8')).trimEnd().split('\r\n')
    assert.equal(rows.length, 2)
    assert.match(rows[1] ?? '', /project\.created/)
    await assert.rejects(run('audit', 'export', '--format', 'xml'), /format/)
    await run('audit', 'export', '--project', 'team', '-o', file)
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
    assert.ok(lines.length > 1)
    for (const line of lines) assert.equal((JSON.parse(line) as Record<string, unknown>)['organization.name'], 'team')
    await assert.rejects(run('audit', 'export', '--project', 'nowhere', '-o', file))
  })

  test('settings are printed and set; what is no setting or value is refused', async () => {
    assert.ok((await run('system', 'settings')).lines.some((line) => /^read-only: +off/.test(line)))
    await run('system', 'set', 'banner', 'warning: Back at noon')
    await run('system', 'set', 'limit-per-address', '5000/10000')
    const { lines } = await run('system', 'set', 'deny', '203.0.113.0/24,2001:db8::/32')
    assert.ok(lines.some((line) => /^banner: +warning: Back at noon$/.test(line)))
    assert.ok(lines.some((line) => /^limit-per-address: +5000\/10000$/.test(line)))
    assert.ok(lines.some((line) => /^deny: +203\.0\.113\.0\/24,2001:db8::\/32$/.test(line)))
    await assert.rejects(run('system', 'set', 'banner', 'purple: Back at noon'), /purple is no level.*info, warning, danger/)
    assert.match(
      (await run('system', 'set', 'limit-per-address', '5000')).errors.join(),
      /5000\/5000: 5000 requests a second, 5000 of them at once/,
    )
    await assert.rejects(run('system', 'set', 'deny', '10.0.0.5/8'), /10\.0\.0\.0\/8/)
    await assert.rejects(run('system', 'set', 'colour', 'blue'), /there is no setting/)
    await assert.rejects(run('system', 'set', 'limit-per-address', 'much'), /50\/200/)
    await assert.rejects(run('system', 'set', 'deny', '127.0.0.1'), /lock out/)
    await assert.rejects(run('system', 'set', 'project-creation', 'nobody'), /projectCreation/)
  })

  test('read-only mode of the configuration is told, and what the setting keeps is refused in words of the command', async () => {
    await using kept = await openPeople({ storage: { readOnly: true } })
    const environment = { BERTH_SERVER: kept.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
    const { lines } = await runVerb(['system', 'settings'], environment)
    assert.ok(
      lines.some((line) => /^read-only: +on \(by the configuration\)$/.test(line)),
      lines.join('\n'),
    )
    await run('system', 'set', 'read-only', 'on')
    assert.ok((await run('system', 'settings')).lines.some((line) => /^read-only: +on$/.test(line)))
    await assert.rejects(run('system', 'set', 'banner', 'x'), (error: unknown) => {
      assert.match(String(error), /the registry is read-only: switch that off first/)
      assert.doesNotMatch(String(error), /isReadOnly/)
      return exitStatusOf(error) === 6
    })
    await run('system', 'set', 'read-only', 'off')
  })

  test('info and configuration are printed', async () => {
    assert.ok((await run('system', 'info')).lines.some((line) => /^Users: +1$/.test(line)))
    assert.ok((await run('system', 'configuration')).lines.some((line) => /^audit\.retention +\S+ +default$/.test(line)))
  })

  test('verify goes over all, knows an earlier hash, and fails when a record is gone', async () => {
    const { metadata } = people.rooms.registry
    await sealEvents(metadata, { through: await newestEventId(metadata.reader), now: Date.now() })
    const { lines } = await run('audit', 'verify')
    const hash = /([0-9a-f]{64})$/.exec(lines.at(-1) ?? '')?.[1] ?? ''
    await run('audit', 'verify', '--expected', hash)
    await assert.rejects(run('audit', 'verify', '--expected', '0'.repeat(64)), /no seal has the expected hash/)
    await metadata.write(removeEvent, 2)
    await assert.rejects(run('audit', 'verify'), /records 1 to \d+, sealed .*: there were \d+, there are \d+/)
  })
})
