/** The dialog that asks again who sits here, before what cannot be undone. */
import { Modal, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { client, queryClient } from '../api/client.ts'
import { onElevationWanted, type ElevationRequest } from '../api/elevation-request.ts'
import { elevateAtProvider, elevateSession, listFactors, readAccount } from '../api/routes.ts'
import { query } from '../api/client.ts'
import { sessionQuery, type Session } from '../api/session.ts'
import { WorkButton } from '../parts/form.tsx'
import { ProofForm, type Proof } from '../parts/proof-form.tsx'
import { PasswordForm } from '../parts/password-form.tsx'
import { Waiting } from '../parts/layout.tsx'

export function ElevationDialog() {
  const { t } = useTranslation()
  const [request, setRequest] = useState<ElevationRequest>()
  useEffect(() => onElevationWanted(setRequest), [])
  const close = () => {
    request?.cancelled()
    setRequest(undefined)
  }
  const done = (session: Session) => {
    queryClient.setQueryData(sessionQuery.queryKey, session)
    request?.done()
    setRequest(undefined)
  }
  return (
    <Modal
      opened={request !== undefined}
      onClose={close}
      title={t('elevation.title')}
      zIndex={400}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <Text size="sm" c="dimmed" mb="md">
        {t('elevation.text')}
      </Text>
      {request !== undefined && <Prove onDone={done} />}
    </Modal>
  )
}

function Prove({ onDone }: { readonly onDone: (session: Session) => void }) {
  const { data: factors } = useQuery(query(listFactors))
  const { data: account } = useQuery(query(readAccount))
  if (factors === undefined || account === undefined) return <Waiting rows={2} />
  if (factors.items.length > 0) {
    const kinds = [...new Set(factors.items.map(({ kind }) => kind)), ...(factors.recoveryCodesLeft > 0 ? (['recovery'] as const) : [])]
    return <ProofForm kinds={kinds} prove={async (proof: Proof) => onDone(await client.call(elevateSession, { body: proof }))} />
  }
  if (account.hasPassword) {
    return <PasswordForm give={async (password) => onDone(await client.call(elevateSession, { body: { kind: 'password', password } }))} />
  }
  return <AtProvider />
}

function AtProvider() {
  const { t } = useTranslation()
  const go = async () => {
    const { url } = await client.call(elevateAtProvider, { body: { returnTo: location.pathname + location.search } })
    location.assign(url)
  }
  return (
    <Stack>
      <Text size="sm">{t('elevation.provider')}</Text>
      <WorkButton work={go}>{t('elevation.go')}</WorkButton>
    </Stack>
  )
}
