import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { firstValueOf, normalizeDn } from './ldap-dn.ts'

const equal: readonly (readonly [string, string])[] = [
  ['CN=Devs,OU=Groups,DC=Example,DC=Org', 'cn=devs,ou=groups,dc=example,dc=org'],
  ['cn = devs , ou=groups;dc=example', 'cn=devs,ou=groups,dc=example'],
  [String.raw`cn=Smith\, Jo,dc=x`, String.raw`cn=smith\2C jo,dc=x`],
  ['cn="Smith, Jo",dc=x', String.raw`cn=smith\, jo,dc=x`],
  ['cn=a+uid=b,dc=x', 'UID=B+CN=A,dc=x'],
  ['cn=a   b,dc=x', 'cn=a b,dc=x'],
  [String.raw`cn=J\C3\BCrgen,dc=x`, 'cn=jürgen,dc=x'],
  ['OID.2.5.4.3=a,dc=x', '2.5.4.3=a,dc=x'],
  [String.raw`cn=\23a,dc=x`, String.raw`cn=\#a,dc=x`],
]

suite('distinguished names', () => {
  for (const [one, other] of equal) {
    test(`${one} and ${other} are one name`, () => {
      assert.notEqual(normalizeDn(one), undefined)
      assert.equal(normalizeDn(one), normalizeDn(other))
    })
  }

  test('names that differ stay apart', () => {
    const names = [
      'cn=a,dc=x',
      'cn=b,dc=x',
      'cn=a,dc=y',
      'cn=a,ou=b,dc=x',
      String.raw`cn=a\,dc\=x`,
      'cn=a+uid=a,dc=x',
      'uid=a,dc=x',
      String.raw`cn=a\,ou\=b,dc=x`,
    ]
    assert.equal(new Set(names.map(normalizeDn)).size, names.length)
  })

  test('normalising twice changes nothing', () => {
    for (const [one] of equal) assert.equal(normalizeDn(normalizeDn(one) ?? ''), normalizeDn(one))
  })

  for (const text of [
    '',
    'devs',
    'cn',
    'cn=',
    '=a',
    'cn=a,',
    'cn=a,,dc=x',
    String.raw`cn=a\ `.trimEnd(),
    'cn="a,dc=x',
    'cn=a\0,dc=x',
    '1cn=a',
    `cn=${'a'.repeat(9000)}`,
  ]) {
    test(`${JSON.stringify(text.slice(0, 20))} is no name`, () => assert.equal(normalizeDn(text), undefined))
  }

  test('a crafted name takes no long time', () => {
    const started = performance.now()
    normalizeDn(`cn=${String.raw`\ `.repeat(3900)}!"`)
    normalizeDn(`cn=${' '.repeat(8000)}"`)
    assert.ok(performance.now() - started < 500)
  })

  test('the first value is what people call the thing', () => {
    assert.equal(firstValueOf(String.raw`CN=Smith\, Jo,DC=x`), 'Smith, Jo')
    assert.equal(firstValueOf('nothing'), undefined)
  })
})
