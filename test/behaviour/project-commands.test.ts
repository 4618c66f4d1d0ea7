import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runVerb } from '../../cli/test-verb.ts'
import { openPeople, password } from '../api/people.ts'
import { pushImage } from '../support/registry-client.ts'

test('projects and labels are kept from the command line', async () => {
  await using people = await openPeople()
  const environment = { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
  const berth = async (...args: readonly string[]) => {
    const { lines, errors } = await runVerb(args, environment)
    return { out: lines.join('\n'), said: errors.join('\n') }
  }
  const json = async (...args: readonly string[]) => JSON.parse((await berth(...args, '--json')).out) as Readonly<Record<string, unknown>>

  assert.equal((await berth('project', 'create', 'team', '--public', '--description', 'ours')).out, 'created team')
  await assert.rejects(berth('project', 'create', 'team'), /not free.*CONFLICT/)
  await assert.rejects(berth('project', 'create', 'other', '--public', '--private'), /one of the two/)
  assert.equal((await json('project', 'update', 'team', '--private'))['isPublic'], false)
  const networks = await json('project', 'networks', 'team', '--allow', '127.0.0.0/8', '::1')
  assert.deepEqual([networks['allow'], networks['deny']], [['127.0.0.0/8', '::1'], []])
  assert.deepEqual((await json('project', 'networks', 'team', '--any'))['allow'], [])
  assert.match((await berth('project', 'networks', 'team')).out, /Allowed: +-/)
  await assert.rejects(berth('project', 'update', 'team'), /nothing is to change/)
  assert.match((await berth('project', 'rename', 'team', 'crew')).out, /team is crew now/)
  assert.match((await berth('project', 'show', 'team')).out, /^Name: +crew\n/)
  const anew = await berth('project', 'create', 'team')
  assert.equal(anew.out, 'created team')
  assert.match(anew.said, /team/, 'the former name leads to crew no more')
  await berth('project', 'delete', 'team', '--yes')
  assert.match((await berth('project', 'list', '--private')).out, /^NAME .*\ncrew .*\nlibrary /)

  const image = await pushImage(people.root.registry, 'crew/app', 'v1')
  const id = Number((await json('label', 'create', 'stable', '--project', 'crew', '--color', '#00ff00'))['id']).toString()
  const manifest = `crew/app@${image.descriptor.digest}`
  assert.deepEqual(await berth('label', 'add', manifest, id), { out: '', said: '' })
  assert.match((await berth('label', 'list', '--manifest', manifest)).out, /\n\d+ +stable +#00ff00 +crew/)
  assert.match((await berth('label', 'list', '--project', 'crew', '--usable')).out, /stable/)
  assert.match((await berth('label', 'show', id, '--project', 'crew')).out, /stable/)
  assert.match((await berth('label', 'update', id, '--project', 'crew', '--name', 'steady')).out, /steady/)
  await berth('label', 'remove', manifest, id)
  await assert.rejects(berth('label', 'remove', manifest, id), /RESOURCE_UNKNOWN/)
  await assert.rejects(berth('label', 'add', 'crew/app', id), /names no manifest/)
  await assert.rejects(berth('label', 'list', '--usable'), /goes with --project/)
  assert.match((await berth('label', 'delete', id, '--project', 'crew', '--yes')).said, /deleted/)

  await assert.rejects(berth('project', 'delete', 'crew', '--yes'), /it has repositories.*CONFLICT/)
  const inTrash = async (...args: string[]) => {
    const deleted = await json(...args, '--yes')
    const { body } = await people.root.call('GET', `/trash/${String(deleted['trash'])}`)
    assert.equal(deleted['restorableUntil'], body['expiresAt'])
    return [deleted['deleted'], body['kind']]
  }
  await pushImage(people.root.registry, 'crew/app', 'v2')
  assert.deepEqual(await inTrash('tag', 'delete', 'crew/app:v2'), ['crew/app:v2', 'tag'])
  assert.deepEqual(await inTrash('manifest', 'delete', manifest), [manifest, 'manifest'])
  assert.deepEqual(await inTrash('repository', 'delete', 'crew/app'), ['crew/app', 'repository'])
  assert.deepEqual(await inTrash('project', 'delete', 'crew', '--force'), ['crew', 'project'])
  await assert.rejects(berth('project', 'show', 'crew'), /RESOURCE_UNKNOWN/)
})
