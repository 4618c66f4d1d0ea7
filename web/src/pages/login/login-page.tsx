/** The page for signing in: password, provider, second factor, the name of a first visit. */
import { Anchor, Button, Center, Divider, Group, NativeSelect, Stack, Text, TextInput, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { KeyRound } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { client, queryClient } from '../../api/client.ts'
import { chooseName, giveSecondFactor, signIn, signOut } from '../../api/routes.ts'
import { forgetEverything, sessionQuery, systemQuery, type Session } from '../../api/session.ts'
import { Mark } from '../../app/brand.tsx'
import { languages, speak, type Language } from '../../app/i18n.ts'
import { prefix } from '../../app/place.ts'
import { Notices } from '../../app/notices.tsx'
import { PasswordField } from '../../parts/fields.tsx'
import { Form, useDraft } from '../../parts/form.tsx'
import { Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import { ProofForm } from '../../parts/proof-form.tsx'

export function LoginPage() {
  const { t } = useTranslation()
  useDocumentTitle(`${t('session.signIn')} · Berth`)
  const { data: session, error } = useQuery(sessionQuery)
  const { data: system } = useQuery(systemQuery)
  return (
    <Center mih="100dvh" p="md" component="main">
      <Stack w="100%" maw={384} gap="lg">
        <Stack align="center" gap={10}>
          <Mark size={44} />
          <Title order={1}>{t('login.title')}</Title>
          <Text c="dimmed" size="md" ta="center" className="wrap">
            {location.host}
          </Text>
        </Stack>
        <Notices />
        <div className="panel" style={{ padding: 22 }}>
          {error !== null && <Problem error={error} />}
          {error === null && (session === undefined || system === undefined ? <Waiting rows={3} /> : <Step session={session} />)}
        </div>
        <Foot />
      </Stack>
    </Center>
  )
}

/** Where the person was going: a path of this site, or the start. */
function useReturn(): () => Promise<void> {
  const navigate = useNavigate()
  const { returnTo } = useSearch({ from: '/login' })
  return async () => {
    // Two slashes, or one and a backslash, would lead to another site.
    const isOwn = returnTo !== undefined && /^\/(?![/\\])/.test(returnTo) && !returnTo.startsWith('/login')
    await (isOwn ? navigate({ href: returnTo, replace: true }) : navigate({ to: '/projects', replace: true }))
  }
}

function Step({ session }: { readonly session: Session }) {
  const goOn = useReturn()
  useEffect(() => {
    if (session.state === 'active') void goOn()
  })
  const take = async (next: Session) => {
    await forgetEverything(next)
  }
  switch (session.state) {
    case 'second-factor':
      return <SecondFactor session={session} take={take} />
    case 'name':
      return <FirstName proposed={session.proposedName ?? ''} take={take} />
    case 'anonymous':
      return <Ways session={session} take={take} />
    case 'active':
      return <Waiting rows={3} />
  }
}

interface StepProps {
  readonly take: (session: Session) => Promise<void>
}

function Ways({ session, take }: StepProps & { readonly session: Session }) {
  const { t } = useTranslation()
  const { data: system } = useQuery(systemQuery)
  const { returnTo } = useSearch({ from: '/login' })
  const outside = session.providers.filter(({ kind }) => kind === 'oidc')
  const hasPasswords = system?.authentication.hasPasswords === true
  const back = new URLSearchParams({ returnTo: prefix + (returnTo ?? '/projects').replace(/^\/+/, '') }).toString()
  return (
    <Stack gap="md">
      {hasPasswords && (
        <PasswordSignIn
          take={take}
          directories={session.providers.filter(({ kind }) => kind === 'ldap').map(({ title, name }) => (title === '' ? name : title))}
        />
      )}
      {hasPasswords && outside.length > 0 && <Divider label={t('login.or')} labelPosition="center" />}
      {outside.map(({ name, title }) => (
        <Button
          key={name}
          component="a"
          variant="default"
          leftSection={<KeyRound size={15} />}
          href={`${prefix}api/v1/session/oidc/${encodeURIComponent(name)}?${back}`}
        >
          {t('login.with', { provider: title === '' ? name : title })}
        </Button>
      ))}
      {!hasPasswords && outside.length === 0 && <Text size="sm">{t('login.noWay')}</Text>}
    </Stack>
  )
}

function PasswordSignIn({ take, directories }: StepProps & { readonly directories: readonly string[] }) {
  const { t } = useTranslation()
  const { draft, text } = useDraft({ name: '', password: '' })
  const enter = async () => take(await client.call(signIn, { body: { name: draft.name.trim(), password: draft.password } }))
  return (
    <Form save={enter} submit={t('session.signIn')} isFull>
      <TextInput
        label={t('session.name')}
        {...(directories.length > 0 && { description: t('login.directories', { names: directories.join(', ') }) })}
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        {...text('name')}
        autoFocus
        required
        withAsterisk={false}
      />
      <PasswordField label={t('session.password')} autoComplete="current-password" {...text('password')} required />
    </Form>
  )
}

function SecondFactor({ session, take }: StepProps & { readonly session: Session }) {
  const { t } = useTranslation()
  return (
    <Stack gap="md">
      <Title order={2}>{t('login.factorTitle')}</Title>
      <ProofForm kinds={session.secondFactors} prove={async (proof) => take(await client.call(giveSecondFactor, { body: proof }))} />
      <StartAgain />
    </Stack>
  )
}

function FirstName({ proposed, take }: StepProps & { readonly proposed: string }) {
  const { t } = useTranslation()
  const [name, setName] = useState(proposed)
  return (
    <Stack gap="md">
      <Title order={2}>{t('login.nameTitle')}</Title>
      <Form save={async () => take(await client.call(chooseName, { body: { name: name.trim() } }))} submit={t('common.continue')} isFull>
        <TextInput
          label={t('session.name')}
          description={t('login.nameText')}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          autoFocus
          required
          withAsterisk={false}
        />
      </Form>
      <StartAgain />
    </Stack>
  )
}

function StartAgain() {
  const { t } = useTranslation()
  const again = async () => {
    await client.call(signOut).catch(() => undefined)
    await queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey })
  }
  return (
    <Anchor component="button" type="button" size="sm" onClick={() => void again()}>
      {t('login.again')}
    </Anchor>
  )
}

function Foot() {
  const { t, i18n } = useTranslation()
  return (
    <Group justify="space-between">
      <Link to="/projects" className="text-link">
        {t('login.look')}
      </Link>
      <NativeSelect
        size="xs"
        w={112}
        aria-label={t('nav.language')}
        data={Object.entries(languages).map(([value, label]) => ({ value, label }))}
        value={i18n.language}
        onChange={(event) => void speak(event.currentTarget.value as Language)}
      />
    </Group>
  )
}
