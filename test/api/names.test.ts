import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { runVerb } from '../../cli/test-verb.ts'
import { openPeople, password, type People } from './people.ts'

const unseen = [
  '3164',
  '115f',
  '1160',
  'ffa0',
  '2800',
  '180e',
  'fe00',
  'fe0f',
  '200b',
  '2060',
  '00ad',
  '034f',
  '17b4',
  'e0100',
  '202e',
  '2028',
]
const turning = ['061c', '200e', '200f', '202a', '202e', '2066', '2069']
const character = (code: string) => String.fromCodePoint(Number.parseInt(code, 16))

suite('names that people read:', () => {
  let people: People
  before(async () => {
    people = await openPeople()
  })
  after(() => people[Symbol.asyncDispose]())
  const call = (...args: Parameters<People['root']['call']>) => people.root.call(...args)

  test('labels and groups have visible characters only', async () => {
    const group = (await call('POST', '/groups', { name: 'keepers' })).body['id']
    const label = (await call('POST', '/labels', { name: 'kept' })).body['id']
    for (const code of unseen)
      for (const name of [`a${character(code)}b`, character(code), `a${character(code)}`]) {
        assert.equal((await call('POST', '/labels', { name })).status, 400, `label ${code}`)
        assert.equal((await call('POST', '/groups', { name })).status, 400, `group ${code}`)
        assert.equal((await call('PATCH', `/labels/${Number(label)}`, { name })).status, 400, `label ${code}`)
        assert.equal((await call('PATCH', `/groups/${Number(group)}`, { name })).status, 400, `group ${code}`)
      }
    for (const name of ['ü 標籤', 'ひらがな', '한글', 'नमस्ते', 'v2', '😀']) {
      assert.equal((await call('POST', '/labels', { name })).status, 201, name)
      assert.equal((await call('POST', '/groups', { name })).status, 201, name)
    }
  })

  test('a label is no number in any script', async () => {
    for (const name of ['42', '٤٢', '४२', '４２', '𝟜𝟚']) assert.equal((await call('POST', '/labels', { name })).status, 400, name)
    for (const name of ['4.2', '½', 'Ⅳ', '٤a']) assert.equal((await call('POST', '/labels', { name })).status, 201, name)
  })

  test('two spellings of a letter are one name, however it is asked for', async () => {
    const [composed, apart] = ['caf\u00e9', 'cafe\u0301']
    for (const path of ['/labels', '/groups']) {
      const made = await call('POST', path, { name: apart })
      assert.deepEqual([made.status, made.body['name']], [201, composed], path)
      assert.equal((await call('POST', path, { name: composed })).status, 409, path)
      const other = await call('POST', path, { name: 'other' })
      assert.equal((await call('PATCH', `${path}/${Number(other.body['id'])}`, { name: apart })).status, 409, path)
    }
    const environment = { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password }
    for (const name of [composed, apart]) {
      for (const verb of ['label', 'group']) {
        const { lines } = await runVerb([verb, 'show', name, '--json'], environment)
        assert.equal((JSON.parse(lines.join('')) as { readonly name: string }).name, composed, `${verb} ${name}`)
      }
      const role = name === apart ? 'guest' : 'developer'
      const grant = { subject: { kind: 'group', name }, role }
      assert.equal((await call('POST', '/grants', grant)).status, 201, name)
    }
  })

  test('nothing turns the direction of a person’s name, a token’s name or the banner', async () => {
    for (const code of turning) {
      const text = `a${character(code)}b`
      for (const [method, path, body, member] of [
        ['POST', '/users', { name: 'turned', displayName: text }, 'displayName'],
        ['PATCH', '/session/account', { displayName: text }, 'displayName'],
        ['POST', '/tokens', { name: text }, 'name'],
        ['PATCH', '/system/settings', { banner: { text, level: 'info' } }, 'banner'],
      ] as const) {
        const reply = await call(method, path, body)
        assert.equal(reply.status, 400, `${path} ${code}`)
        assert.match(JSON.stringify(reply.body['errors']), new RegExp(member))
      }
    }
    const banner = { text: 'Back at noon.\nשלום مرحبا', level: 'info' }
    assert.equal((await call('PATCH', '/system/settings', { banner })).status, 200)
    assert.equal((await call('POST', '/tokens', { name: 'שלום مرحبا' })).status, 201)
    assert.equal((await call('PATCH', '/session/account', { displayName: 'שלום مرحبا' })).status, 200)
  })
})
