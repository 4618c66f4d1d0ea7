import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePostgresUrl } from './postgres-url.ts'

const target = (text: string) => {
  const parsed = parsePostgresUrl(text)
  if ('fault' in parsed) throw new Error(parsed.fault)
  return parsed
}

test('a short URL has the defaults of libpq, but asks for the host that writes', () => {
  assert.deepEqual(target('postgres://berth@db'), {
    hosts: [{ host: 'db', port: 5432 }],
    database: 'berth',
    user: 'berth',
    password: undefined,
    sslMode: 'prefer',
    sslRootCert: undefined,
    sslCert: undefined,
    sslKey: undefined,
    session: 'read-write',
    connectTimeoutMs: 5000,
    applicationName: 'berth',
  })
})

test('several hosts, each with its port, in their order; addresses of version 6 in brackets', () => {
  assert.deepEqual(target('postgresql://u@one,two:6000,[::1]:7000/d').hosts, [
    { host: 'one', port: 5432 },
    { host: 'two', port: 6000 },
    { host: '::1', port: 7000 },
  ])
  assert.deepEqual(
    target('postgres://u@/d?host=one,two&port=6000').hosts.map(({ port }) => port),
    [6000, 6000],
  )
  assert.deepEqual(
    target('postgres://u@/d?host=one,two&port=1,2').hosts.map(({ port }) => port),
    [1, 2],
  )
})

test('a unix socket is the directory that it lies in', () => {
  assert.equal(target('postgres://u@/d?host=/var/run/postgresql').hosts[0]?.host, '/var/run/postgresql')
  assert.equal(target('postgres://u@%2Fvar%2Frun/d').hosts[0]?.host, '/var/run')
})

test('what is escaped is meant as it was before', () => {
  const { user, password, database } = target('postgres://a%40b:p%3A%2F%25@db/my%20data')
  assert.deepEqual([user, password, database], ['a@b', 'p:/%', 'my data'])
})

test('parameters are those of libpq', () => {
  const { sslMode, sslRootCert, session, connectTimeoutMs, applicationName } = target(
    'postgres://u@db/d?sslmode=verify-full&sslrootcert=/ca.pem&target_session_attrs=any&connect_timeout=3&application_name=one',
  )
  assert.deepEqual([sslMode, sslRootCert, session, connectTimeoutMs, applicationName], ['verify-full', '/ca.pem', 'any', 3000, 'one'])
})

for (const [text, fault] of [
  ['', /is no postgres/],
  ['mysql://u@db/d', /is no postgres/],
  ['postgres://db/d', /names no user/],
  ['postgres://u@/d', /has a host that is none/],
  ['postgres://u@one,,two/d', /has a host that is none/],
  ['postgres://u@db:0/d', /has a port that is none/],
  ['postgres://u@db:99999/d', /has a port that is none/],
  ['postgres://u@db/d?sslmode=on', /has sslmode=on, and none of disable/],
  ['postgres://u@db/d?ssl=true', /has "ssl", which is not known here/],
  ['postgres://u@db/d?target_session_attrs=standby', /target_session_attrs=standby/],
  ['postgres://u@db/d?sslrootcert=system&sslmode=require', /sslrootcert=system without sslmode=verify-full/],
  ['postgres://u@db/d?sslcert=/a', /one of sslcert and sslkey/],
  ['postgres://u@db/d?connect_timeout=soon', /no number of seconds/],
  ['postgres://u:%zz@db/d', /% that starts no escape/],
] as const) {
  test(`${JSON.stringify(text)} is refused: ${fault.source}`, () => {
    const parsed = parsePostgresUrl(text)
    assert.ok('fault' in parsed)
    assert.match(parsed.fault, fault)
  })
}

test('no fault quotes a password', () => {
  for (const text of ['postgres://u:geheim@/d', 'postgres://u:geheim%@db/d', 'http://u:geheim@db/d']) {
    const parsed = parsePostgresUrl(text)
    assert.ok('fault' in parsed && !parsed.fault.includes('geheim'))
  }
})
