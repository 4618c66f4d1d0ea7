/** The first script: language, theme and session before anything is drawn, then the router. */
import './app/components.css'
import '@mantine/notifications/styles.css'
import './app/page.css'
import './app/parts.css'
import './app/manage.css'
import { MantineProvider } from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { queryClient } from './api/client.ts'
import { sessionQuery, systemQuery } from './api/session.ts'
import { startLanguage } from './app/i18n.ts'
import { styleNonce } from './app/place.ts'
import { preloadPage, router } from './app/router.tsx'
import { theme } from './app/theme.ts'

// All are asked for at once, and none is waited for: what needs them does that.
void queryClient.prefetchQuery(sessionQuery)
void queryClient.prefetchQuery(systemQuery)
preloadPage()
await startLanguage()

const root = document.getElementById('root')
if (root === null) throw new Error('the document has no place for the portal')
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => styleNonce}>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
