import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FilterParser, type Filter } from 'ldapts'
import { escapeFilterValue, fillFilter, filterForAnybody, templateFault } from './ldap-filter.ts'

const parse = (text: string) => FilterParser.parseString(text)

suite('LDAP filters', () => {
  for (const input of [
    '*)(uid=*',
    '*',
    'a)(|(uid=*',
    '\\',
    '\0',
    'a(b)c',
    'x*y',
    ')(objectClass=*))(&(uid=',
    '\u202e',
    '*)(userPassword=*',
    'ü*',
  ]) {
    test(`the input ${JSON.stringify(input)} stays a value: the filter is one comparison with it`, () => {
      const filter = parse(fillFilter('(uid={input})', { input })) as Filter & {
        readonly attribute: string
        readonly value: Buffer | string
      }
      assert.equal(filter.constructor.name, 'EqualityFilter')
      assert.equal(filter.attribute, 'uid')
      assert.equal(Buffer.from(filter.value as string).toString(), input)
    })
  }

  test('bytes are escaped one by one where they mean something', () => {
    assert.equal(escapeFilterValue('\0(A*\\)\x7fü'), String.raw`\00\28A\2a\5c\29\7fü`)
    assert.equal(escapeFilterValue('jo.smith@example-1'), 'jo.smith@example-1')
  })

  test('a value with a placeholder in it is not filled again', () => {
    assert.equal(fillFilter('(&(a={dn})(b={name}))', { dn: '{name}', name: 'x' }), '(&(a={name})(b=x))')
    assert.equal(fillFilter('(a={toString})', {}), '(a={toString})')
  })

  test('for anybody the placeholder matches all', () => {
    assert.equal(filterForAnybody('(|(uid={input})(mail={input}@x)(cn={input}*))'), '(|(uid=*)(mail=*@x)(cn=*))')
  })

  test('good templates have no fault', () => {
    for (const template of [
      '(uid={input})',
      '(&(objectClass=person)(|(uid={input})(mail={input})))',
      '(&(memberOf:1.2.840.113556.1.4.1941:=cn=a,dc=x)(uid={input}))',
    ])
      assert.equal(templateFault(template, ['input'], parse), undefined, template)
    assert.equal(templateFault('(member={dn})', ['dn', 'name'], parse), undefined)
  })

  for (const template of [
    '',
    'uid={input}',
    '(uid=x)',
    '(uid={input}',
    '(uid={user})',
    '((uid={input}))x',
    '(uid:caseExactMatch:={input})',
    '(&)',
    '({input})',
  ]) {
    test(`the template ${JSON.stringify(template)} is refused with a reason`, () => {
      assert.equal(typeof templateFault(template, ['input'], parse), 'string')
    })
  }
})
