import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { exitStatusOf } from '../../cli/exit-status.ts'
import { runVerb } from '../../cli/test-verb.ts'
import { openPeople, password } from '../api/people.ts'
import { pushImage } from '../support/registry-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test('retention is kept from the command line', async () => {
  await using people = await openPeople({ storage: { deleteEnabled: true } }, { memory: true })
  await using directory = await temporaryDirectory('retention')
  await using _working = people.rooms.jobs.start()
  const environment = { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
  const berth = async (args: string, input = '') => {
    const { lines, errors } = await runVerb(['retention', ...args.split(' ')], environment, input)
    return { out: lines.join('\n'), said: errors.join('\n') }
  }
  const file = async (name: string, text: string) => {
    await writeFile(join(directory.path, name), text)
    return join(directory.path, name)
  }
  assert.equal((await people.root.call('POST', '/projects', { name: 'team' })).status, 201)
  for (const tag of ['a', 'b', 'stable']) await pushImage(people.root.registry, 'team/app', tag)

  const yaml = await file(
    'life.yml',
    'name: life\nrules:\n  - name: fresh\n    tags: { excludes: stable }\n    keep: { latestPushed: 1 }\n',
  )
  const preview = await berth(`preview team team/app --file ${yaml}`)
  assert.match(preview.out, /^REPOSITORY .*\nteam\/app +a +remove +fresh .*not the one pushed last \(fresh\)\n/)
  assert.equal(preview.said, '1 would go, 2 would stay')
  await assert.rejects(berth(`policy create team other --file ${yaml}`), /called "life", not other/)
  for (const [text, told] of [
    ['rules: [', /is no YAML/],
    ['- 1', /holds no policy/],
    ['', /holds no policy/],
  ] as const)
    await assert.rejects(berth(`policy create team life --file ${await file('bad.yml', text)}`), (error: Error) => {
      assert.match(error.message, told)
      return exitStatusOf(error) === 2
    })
  await assert.rejects(berth(`policy create team life --file ${join(directory.path, 'none.yml')}`), /cannot be read/)
  await assert.rejects(berth(`policy create team life --file ${await file('odd.json', '{"rules":[{"keep":{"most":1}}]}')}`), /most|keep/)
  const made = await berth(`policy create team life --file ${yaml}`)
  assert.match(
    made.out,
    /^Name: +life\n[\s\S]*Rule 1: +fresh: of {"excludes":"stable"} keep {"latestPushed":1}\n[\s\S]*Effect was shown: +no\n/,
  )
  assert.match(made.said, /berth retention run team life --dry-run --wait/)

  await assert.rejects(berth('run team life --yes'), /the policy is new: run it dry first.*CONFLICT/)
  const dry = await berth('run team life --dry-run --wait')
  assert.match(dry.out, /Would remove: +1\n/)
  const id = /^Id: +(\d+)/.exec(dry.out)?.[1] ?? ''
  assert.match((await berth(`decisions team ${id} --action remove`)).out, /\nteam\/app +a +remove +fresh /)
  assert.match((await berth(`decisions team ${id} --tag stable`)).out, /\nteam\/app +stable +keep +- .*no rule is about it$/)
  assert.match((await berth('policy list team')).out, /\nlife +yes +\*\* +1 +- +- +yes/)
  await assert.rejects(berth(`stop team ${id}`), /has ended: it is done/)

  assert.match(dry.said, new RegExp(`to remove these and no others: berth retention run team life --as-shown ${id}`))
  await assert.rejects(berth(`run team life --dry-run --as-shown ${id}`), /do not go together/)
  await assert.rejects(berth('run team life --as-shown 9999 --yes'), /no dry run 9999.*CONFLICT/)
  const both = await people.root.call('POST', '/projects/team/retention-policies/life/runs', { dryRun: true, shownBy: Number(id) })
  assert.deepEqual([both.status, both.body['code']], [400, 'REQUEST_INVALID'])
  await pushImage(people.root.registry, 'team/app', 'c')
  const real = await berth(`run team life --as-shown ${id} --wait --yes`)
  assert.match(real.out, /Removed: +1\n/)
  assert.match((await berth('runs team life')).out, /\n\d+ +real +done +3 +1 +0 +root[^\n]*\n\d+ +dry +done +2 +1 +0/)
  const { items } = JSON.parse((await berth('runs team life --json')).out) as { readonly items: readonly { readonly removed: number }[] }
  assert.deepEqual(
    items.map(({ removed }) => removed),
    [1, 1],
  )

  const changed = await berth('policy change team life --disable --file -', 'schedule: 0 3 * * *\ntimeZone: Europe/Berlin\n')
  assert.match(changed.out, /Enabled: +no\n[\s\S]*Schedule: +0 3 \* \* \* \(Europe\/Berlin\)\n/)
  assert.match((await berth('policy change team life --enable')).out, /Next: +\d{4}-/)
  await assert.rejects(berth('policy change team life'), /nothing is to change/)
  await assert.rejects(berth('policy change team life --enable --disable'), /do not go together/)
  await assert.rejects(berth('policy show team none'), /RESOURCE_UNKNOWN/)
  await assert.rejects(berth('policy remove team life'), /--yes/)
  assert.match((await berth('policy remove team life --yes')).said, /deleted/)
})
