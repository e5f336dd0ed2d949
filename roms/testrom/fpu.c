/* fpu.c - who may use FPU, MMX and SSE, and their exceptions (SDM 3A 2.5, chapters 9, 12, 13).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

#define MMX  (features >> 23 & 1)
#define FXSR (features >> 24 & 1)
#define SSE  (features >> 25 & 1)

static void expect(const char *name, u32 n, u32 vec)
{
    if (vec == END)
        ok(fmt(name, "TS EM MP =", n));
    else
        fault(fmt(name, "TS EM MP =", n), vec, NOERR);
}

static void matrix(void)
{
    u32 n, ts, em, mp;

    for (n = 0; n < 8; n++) {
        begin();
        asm volatile("fninit");
        ts = n >> 2 & 1;
        em = n >> 1 & 1;
        mp = n & 1;
        set_cr0(0x31 | ts << 3 | em << 2 | mp << 1);
        RUN("fld1");
        expect("x87,", n, ts || em ? NM : END);
        RUN("fnstsw %ax");
        expect("FNSTSW AX,", n, ts || em ? NM : END);
        RUN("fwait");
        expect("WAIT,", n, ts && mp ? NM : END);
        if (MMX) {
            RUN("pxor %mm0, %mm0");
            expect("MMX,", n, em ? UD : ts ? NM : END);
            RUN("emms");
            expect("EMMS,", n, em ? UD : ts ? NM : END);
        }
        if (FXSR) {
            RUN("fxsave (%ebx)");
            expect("FXSAVE,", n, ts || em ? NM : END);
        }
        if (SSE) {
            set_cr4(0x200);
            RUN("xorps %xmm0, %xmm0");
            expect("SSE,", n, em ? UD : ts ? NM : END);
            RUN("ldmxcsr mxcsr_default");
            expect("LDMXCSR,", n, em ? UD : ts ? NM : END);
            set_cr4(0);
            RUN("xorps %xmm0, %xmm0");
            expect("SSE without OSFXSR,", n, UD);
            RUN("sfence");
            expect("SFENCE,", n, END);
            RUN("prefetcht0 (%ebx)");
            expect("PREFETCHT0,", n, END);
        }
    }
    begin();
}

static void x87(void)
{
    begin();
    /* divide by zero unmasked: reported by the next waiting instruction */
    FAULT("#MF WAIT", "fninit; fldcw cw_unmasked; fldz; fld1; fdiv %st(1), %st; 9: fwait", MF, NOERR);
    FAULT("#MF FLD1", "fninit; fldcw cw_unmasked; fldz; fld1; fdiv %st(1), %st; nop; 9: fld1", MF, NOERR);
    FAULT("#MF FNSTSW and FNSTCW do not wait",
          "fninit; fldcw cw_unmasked; fldz; fld1; fdiv %st(1), %st; fnstsw (%ebx); fnstcw (%ebx); 9: fwait", MF, NOERR);
    OK("FNCLEX does not wait and clears", "fninit; fldcw cw_unmasked; fldz; fld1; fdiv %st(1), %st; fnclex; fwait");
    OK("FNINIT does not wait and masks", "fninit; fldcw cw_unmasked; fldz; fld1; fdiv %st(1), %st; fninit; fld1");
    FAULT("#MF unmasked later by FLDCW", "fninit; fldz; fld1; fdiv %st(1), %st; fldcw cw_unmasked; 9: fwait", MF,
          NOERR);
    if (MMX) {
        loose = 1;
        FAULT("#MF MMX", "fninit; fldcw cw_unmasked; fldz; fld1; fdiv %st(1), %st; 9: pxor %mm0, %mm0", MF, NOERR);
        loose = 0;
    }
    asm volatile("fninit");
    ring(3);
    FAULT("#MF in ring 3", "fninit; fldcw cw_unmasked; fldz; fld1; fdiv %st(1), %st; 9: fwait", MF, NOERR);
    asm volatile("fninit");
}

static void sse(void)
{
    u32 i;
    u8 *area = buf + 0x1000;

    if (!FXSR)
        return;
    begin();
    in.ebx = (u32)buf + 8;
    FAULT("#GP FXSAVE at 8 mod 16", "fxsave (%ebx)", GP, 0);
    FAULT("#GP FXRSTOR at 8 mod 16", "fxrstor (%ebx)", GP, 0);
    in.ebx = (u32)area;
    fill(area, 0xee, 512);
    set_cr4(SSE ? 0x200 : 0);
    OK("FXSAVE and FXRSTOR", "fninit; fld1; fldpi; fxsave (%ebx); fninit; fldz; fxrstor (%ebx); "
                             "fxsave 512(%ebx)");
    for (i = 0; i < 288 && area[i] == area[i + 512]; i++)
        ;
    EQ("FXSAVE round trip", i, 288);
    EQ("FXSAVE: FCW", rd16((u32)area), 0x37f);
    EQ("FXSAVE: FSW with TOP 6", rd16((u32)area + 2) & 0x3800, 0x3000);
    EQ("FXSAVE: abridged tag word", area[4], 0xc0);
    if (!SSE)
        return;
    EQ("FXSAVE: MXCSR", rd32((u32)area + 24), 0x1f80);
    wr32((u32)area + 24, 0x80001f80);
    FAULT("#GP FXRSTOR, reserved MXCSR bit", "fxrstor (%ebx)", GP, 0);
    wr32((u32)buf, 0x00011f80);
    in.ebx = (u32)buf;
    FAULT("#GP LDMXCSR, bit 16", "ldmxcsr (%ebx)", GP, 0);
    OK("MXCSR is unchanged", "stmxcsr (%ebx)");
    EQ("STMXCSR", rd32((u32)buf), 0x1f80);
    in.ebx = (u32)buf + 4;
    FAULT("#GP MOVAPS load not aligned", "movaps (%ebx), %xmm0", GP, 0);
    FAULT("#GP MOVAPS store not aligned", "movaps %xmm0, (%ebx)", GP, 0);
    FAULT("#GP ADDPS not aligned", "addps (%ebx), %xmm0", GP, 0);
    OK("MOVUPS not aligned", "movups (%ebx), %xmm0");
    OK("ADDSS not aligned to 16", "addss (%ebx), %xmm0");
    set_cr4(0x600);
    FAULT("#XM divide by zero",
          "ldmxcsr mxcsr_unmasked; movss one_s, %xmm0; xorps %xmm1, %xmm1; "
          "9: divss %xmm1, %xmm0",
          XM, NOERR);
    RUN("stmxcsr (%ebx)");
    EQ("#XM: ZE set in MXCSR", rd32((u32)buf + 4) & 0x3f, 4);
    set_cr4(0x200);
    FAULT("#UD without OSXMMEXCPT",
          "ldmxcsr mxcsr_unmasked; movss one_s, %xmm0; xorps %xmm1, %xmm1; "
          "9: divss %xmm1, %xmm0",
          UD, NOERR);
    OK("masked", "ldmxcsr mxcsr_default; divss %xmm1, %xmm0");
    if (features >> 26 & 1) {
        OK("SSE2", "movss one_s, %xmm0; cvtss2sd %xmm0, %xmm0; cvttsd2si %xmm0, %eax");
        EQ("SSE2: 1.0 to integer", out.eax, 1);
    }
    begin();
}

asm(".pushsection .snip,\"ax\"; .balign 4; mxcsr_default: .long 0x1f80; mxcsr_unmasked: .long 0x1d80; "
    "one_s: .float 1; cw_unmasked: .word 0x37b; .popsection");

void test_fpu(void)
{
    matrix();
    x87();
    sse();
}
