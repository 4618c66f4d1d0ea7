import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import { problemBody } from './problem.ts'

const bodyOf = (...[code, detail, options]: ConstructorParameters<typeof RegistryError>) =>
  problemBody(new RegistryError(code, detail, options), 'r-1')

suite('a problem', () => {
  test('has the same title for a code, whatever happened, and a sentence where there is more to say', () => {
    const plain = bodyOf('CONFLICT')
    const said = bodyOf('CONFLICT', undefined, { message: 'a role of this name exists' })
    assert.equal(plain['title'], said['title'])
    assert.equal('detail' in plain, false)
    assert.equal(said['detail'], 'a role of this name exists')
  })

  test('keeps what programs read apart from the sentence', () => {
    const body = bodyOf('CONFLICT', { name: 'guest' }, { message: 'a role of this name exists' })
    assert.deepEqual([body['detail'], body['facts']], ['a role of this name exists', { name: 'guest' }])
    assert.equal('detail' in bodyOf('NAME_UNKNOWN', { name: 'a' }), false)
    assert.deepEqual(bodyOf('NAME_UNKNOWN', { name: 'a' })['facts'], { name: 'a' })
    assert.deepEqual(bodyOf('CONFLICT', ['a', 'b'])['facts'], { list: ['a', 'b'] })
  })

  test('has the parts that do not fit, and a sentence about them', () => {
    const errors = [{ path: 'body/name', message: 'is missing' }]
    const body = bodyOf('REQUEST_INVALID', errors, { message: 'name: is missing' })
    assert.deepEqual([body['title'], body['detail'], body['errors']], ['request invalid', 'name: is missing', errors])
    assert.equal('facts' in body, false)
  })

  test('takes a text for a sentence, and says none twice', () => {
    assert.equal(bodyOf('REQUEST_INVALID', 'a Host header is required')['detail'], 'a Host header is required')
    assert.equal(bodyOf('MANIFEST_UNVERIFIED', 'old', { message: 'old' })['detail'], 'old')
    assert.equal(bodyOf('MANIFEST_INVALID', 'at 3', { message: 'no JSON' })['detail'], 'no JSON: at 3')
  })

  test('of the server tells nothing of what is inside', () => {
    const body = bodyOf('UNKNOWN', { path: '/var/lib' }, { cause: new Error('secret') })
    assert.equal(JSON.stringify(body).includes('/var'), false)
    assert.equal('detail' in body, false)
    assert.equal(
      bodyOf('UNAVAILABLE', { host: 'ldap' }, { message: 'this server is shutting down' })['detail'],
      'this server is shutting down',
    )
    assert.equal('facts' in bodyOf('UNAVAILABLE', { host: 'ldap' }), false)
  })
})
